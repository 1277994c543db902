"""Runs untrusted Python behind a wall, and says honestly when there is none."""

from guerdon.sandbox.compare import strictly_equal
from guerdon.sandbox.job import Job, Limits, Outcome, Plain, Rung, Sandbox
from guerdon.sandbox.ladder import open_sandbox, survey

__all__ = ["Job", "Limits", "Outcome", "Plain", "Rung", "Sandbox", "open_sandbox", "strictly_equal", "survey"]
