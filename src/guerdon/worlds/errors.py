"""What goes wrong in a world, with its name, the step, and whose fault it is."""

from __future__ import annotations

from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.core.score import Fault, FaultKind

EXTRA = 'pip install "guerdon[worlds]"'
START = -1
"""The step named in a complaint about `reset`."""


class WorldError(GuerdonError):
    """A world broke its contract, or was used against it.

    Args:
        expected: what should have been.
        got: what came.
        do: what to do about it.
        world: name of the world.
        step: the step it happened at, counted from 0; `START` for a reset.
        kind: `invalid` when the caller's action or call is at fault, `judge` when the world is.

    >>> error = WorldError("an action in Discrete(2)", "got 7", "Give 0 or 1", world="CartPole-v1", step=3)
    >>> print(error)
    Step 3 of CartPole-v1 has an action in Discrete(2): got 7. Give 0 or 1.
    >>> error.fault.kind.value, error.fault.whose
    ('invalid', 'solver')
    """

    def __init__(
        self,
        expected: str,
        got: str = "",
        do: str = "",
        *,
        world: str = "a world",
        step: int = START,
        kind: FaultKind = FaultKind.INVALID,
    ) -> None:
        self.world, self.step, self.kind, self._clauses = world, step, kind, (expected, got, do)
        where = f"reset of {world}" if step == START else f"step {step} of {world}"
        super().__init__(f"{where[0].upper()}{where[1:]} has {expected}", got, do)

    @property
    def fault(self) -> Fault:
        """The fault of a score that could not be given because of this."""
        where = "reset" if self.step == START else f"step {self.step}"
        return Fault(self.kind, f"{self.world}, {where}: {': '.join(filter(None, self._clauses[:2]))}"[:400])

    def __reduce__(self) -> tuple[object, ...]:  # type: ignore[override]
        return _rebuild, (*self._clauses, self.world, self.step, self.kind)


def _rebuild(expected: str, got: str, do: str, world: str, step: int, kind: FaultKind) -> WorldError:
    return WorldError(expected, got, do, world=world, step=step, kind=kind)


def missing(package: str, error: ImportError) -> ConfigError:
    """The error for a package that is not installed."""
    return ConfigError(f"{package} is installed, for worlds", str(error), f"Run: {EXTRA}")
