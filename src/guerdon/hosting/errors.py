"""What a contest refuses, and why. Every sentence may be read by an entrant, so none holds anything of a key."""

from __future__ import annotations

from guerdon.core.errors import GuerdonError


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


class EditedError(HostingError):
    """Somebody else has changed it since it was read."""

    status = 409
