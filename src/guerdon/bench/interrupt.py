"""Ctrl-C once finishes the batch; twice leaves now. SIGTERM counts as once.

A run inside a run (an experiment's job makes runs of its own) leaves signals to the outer one: it is finished whole or
killed, so that nobody takes the half of it for a result.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any

_taken = False


def leave_to_parent() -> None:
    """In a worker process: the parent decides what an interrupt means, and a SIGTERM ends the worker."""
    global _taken
    _taken = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Interrupt:
    """While entered (in the main thread), notes the first signal and raises `KeyboardInterrupt` on the second."""

    def __init__(self) -> None:
        self.asked = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        global _taken
        if not _taken and threading.current_thread() is threading.main_thread():
            _taken = True
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        global _taken
        for number, handler in self._old.items():
            with contextlib.suppress(TypeError):
                signal.signal(number, handler)
        if self._old:
            _taken = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
