"""What a run may spend. Spending is counted from the ledger, never stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from guerdon.core.errors import ConfigError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of a run; `None` means without limit.

    Args:
        attempts: answers judged.
        seconds: wall-clock seconds inside the loop, summed over resumed sessions.
        tokens: language-model tokens, as far as models report them.
        sandbox_seconds: wall-clock seconds of untrusted code, summed over workers.
        frames: steps of a world, as reported by solvers in `note["frames"]`.

    >>> Budget.parse("2000").attempts, Budget.parse("attempts=50,seconds=9.5").seconds
    (2000, 9.5)
    """

    attempts: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    sandbox_seconds: float | None = None
    frames: int | None = None

    WHOLE: ClassVar[tuple[str, ...]] = ("attempts", "tokens", "frames")

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and (type(value) not in (int, float) or not math.isfinite(value) or value < 0):
                raise ConfigError(
                    f"budget {field.name} is a number >= 0", f"got {value!r}", "Give one, or leave it out"
                )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `2000` or `attempts=2000,seconds=60`. Suffixes k and M are understood.

        Raises:
            ConfigError: an unknown name or not a number.
        """
        limits: dict[str, float] = {}
        names = [field.name for field in fields(cls)]
        for item in text.split(","):
            name, _, number = item.strip().rpartition("=")
            name = name.strip().replace("-", "_") or "attempts"
            if name not in names:
                raise ConfigError("a budget names what it limits", f"got {name!r}", did_you_mean(name, names))
            limits[name] = _number(number.strip(), name in cls.WHOLE)
        return cls(**limits)  # type: ignore[arg-type]

    def left(self, spent: Mapping[str, float]) -> Budget:
        """What remains after some was spent, never below zero."""
        rest = {
            field.name: None
            if (limit := getattr(self, field.name)) is None
            else max(limit - spent.get(field.name, 0), 0)
            for field in fields(self)
        }
        return Budget(**rest)

    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        values = [(name, getattr(self, name)) for name in self.__slots__]
        return {name: value for name, value in values if value is not None}

    def reached(self, spent: Mapping[str, float]) -> str | None:
        """The name of a limit that has been reached, if any."""
        return next((name for name, limit in self.limits().items() if spent.get(name, 0) >= limit), None)


def _number(text: str, whole: bool) -> float:
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    try:
        value = float(text[:-1] if scale > 1 else text) * scale
    except ValueError:
        raise ConfigError("a budget is a number", f"got {text!r}", "Write 2000, 20k or seconds=60") from None
    if whole and not value.is_integer():
        raise ConfigError("this budget is a whole number", f"got {text!r}", "Drop the fraction")
    return int(value) if whole else value
