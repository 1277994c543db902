"""Ctrl-C once finishes the batch; twice leaves now. SIGTERM counts as once."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any


class Interrupt:
    """While entered (in the main thread), notes the first signal and raises `KeyboardInterrupt` on the second."""

    def __init__(self) -> None:
        self.asked = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            with contextlib.suppress(TypeError):
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
