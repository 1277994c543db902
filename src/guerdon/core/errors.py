"""What can go wrong, and how it is said.

Every message has three clauses: what was expected, what came, what to do. `GuerdonError` builds them:

    GuerdonError
    ├── ConfigError      a recipe, flag or file that a person wrote is not usable
    ├── ChallengeError   a challenge breaks its contract (ids, keys, splits, probes)
    ├── RewardError      a reward breaks its contract (length, range, type)
    ├── SolverError      a solver breaks its contract (unknown task, state that cannot be saved)
    ├── BudgetError      a solver asked for more than its budget
    ├── SandboxError     no isolation, or isolation that failed its self-test
    ├── ProviderError    a model endpoint did not answer as its protocol says
    └── LedgerError      the record cannot be opened, read or written
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GuerdonError(Exception):
    """An error meant for a person: what was expected, what came, what to do.

    >>> print(ConfigError("--budget takes a whole number", "got 'many'", "Write --budget 2000"))
    --budget takes a whole number: got 'many'. Write --budget 2000.
    """

    exit_code = 1

    def __init__(self, expected: str, got: str = "", do: str = "") -> None:
        self.expected, self.got, self.do = expected.rstrip("."), got.rstrip("."), do.rstrip(".")
        text = self.expected + (f": {self.got}" if got else "") + "." + (f" {self.do}." if do else "")
        super().__init__(text)

    def __reduce__(self) -> tuple[type[GuerdonError], tuple[str, str, str]]:
        return type(self), (self.expected, self.got, self.do)


class ConfigError(GuerdonError):
    """A recipe, flag or file that a person wrote is not usable."""

    exit_code = 2


class ChallengeError(GuerdonError):
    """A challenge breaks its contract."""


class RewardError(GuerdonError):
    """A reward breaks its contract."""


class SolverError(GuerdonError):
    """A solver breaks its contract."""


class BudgetError(SolverError):
    """A solver asked for more than its budget."""


class SandboxError(GuerdonError):
    """No isolation is available, or it failed its self-test."""

    exit_code = 3


class ProviderError(GuerdonError):
    """A model endpoint did not answer as its protocol says."""

    exit_code = 4


class LedgerError(GuerdonError):
    """The record cannot be opened, read or written."""

    exit_code = 5


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the closest known words, for the last clause of an error.

    >>> did_you_mean("enumerativ", ["enumerative", "lm"])
    'Did you mean enumerative? Known: enumerative, lm'
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return (f"Did you mean {close[0]}? " if close else "") + f"Known: {', '.join(names) or 'none'}"
