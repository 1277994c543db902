"""Named places at which a test may kill the process, to prove that any of them may be the last."""

from __future__ import annotations

from collections.abc import Callable

hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Pass a write point. Nothing happens unless a test has set `hook` in this process."""
    if hook is not None:
        hook(name)
