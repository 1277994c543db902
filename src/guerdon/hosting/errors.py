"""What a contest refuses, and why. Every sentence but a `BrokenError`'s may be read by an entrant: none holds anything
of a key.
"""

from __future__ import annotations

from guerdon.core.errors import ConfigError, GuerdonError


class HostingError(GuerdonError):
    """Something that the contest's rules do not allow, or that is not there."""

    status = 400


class NotAllowedError(HostingError):
    """The actor may not do this."""

    status = 403


class NotFoundError(HostingError):
    """There is no such thing, or the actor may not know of it."""

    status = 404


class LimitError(HostingError):
    """A limit of the phase is reached; says which and when there is room again."""

    status = 429


class BrokenError(ConfigError):
    """A challenge that cannot be loaded any more. Why may quote its files, so it is for organisers only."""

    @classmethod
    def of(cls, error: Exception) -> BrokenError:
        """What was raised while it was loaded, in three clauses."""
        if isinstance(error, GuerdonError):
            return cls(error.expected, error.got, error.do)
        return cls("a challenge that loads", f"{type(error).__name__}: {str(error)[:200]}", "See guerdon check")


class EditedError(HostingError):
    """Somebody else has changed it since it was read."""

    status = 409
