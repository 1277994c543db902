"""What is said of a file that cannot be used. Meant for whoever handed it in."""

from __future__ import annotations

from guerdon.hosting.errors import HostingError


class FileProblemError(HostingError):
    """A file that was handed in cannot be used; says where and what to do."""


class FileTooLargeError(FileProblemError):
    """A file, or what is in it, is over a cap."""

    status = 413


def quoted(text: str, most: int = 60) -> str:
    """A stranger's text in an error: short, with everything unprintable escaped.

    >>> quoted("a" * 5 + chr(27), 4)
    "'aaaa…'"
    """
    cut = text if len(text) <= most else text[:most] + "…"
    return ascii(cut) if not cut.isprintable() else repr(cut)
