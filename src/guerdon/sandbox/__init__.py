"""Runs untrusted Python behind a wall, and says honestly when there is none."""

from guerdon.sandbox.compare import near, strictly_equal
from guerdon.sandbox.job import Job, Limits, Outcome, Plain, Rung, Sandbox
from guerdon.sandbox.ladder import open_sandbox, survey
from guerdon.sandbox.reward_file import read_reward_file

__all__ = [
    "Job",
    "Limits",
    "Outcome",
    "Plain",
    "Rung",
    "Sandbox",
    "near",
    "open_sandbox",
    "read_reward_file",
    "strictly_equal",
    "survey",
]
