"""Experiments small enough to know their effects, importable by worker processes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from guerdon.bench.experiment import Experiment, Found, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.core.rng import stream


@dataclass(frozen=True, kw_only=True)
class Effect(Experiment):
    """Treatment is control plus an effect that is known; each execution leaves a line in a file."""

    effect: float = 1.0
    """What the treatment adds."""
    log: str = ""
    """A file that gets a line per job. While there is one beside it whose name ends in `.hold`, seeds above 12 wait."""
    slow: float = 0.0
    """Seconds per job."""
    bad: str = ""
    """An arm that misbehaves."""
    how: str = "raise"
    """How it does."""

    name: ClassVar[str] = "effect"
    arms: ClassVar[tuple[str, ...]] = ("treatment", "control")
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="gain",
            statement="Treatment gains at least half a point.",
            measure="x",
            treatment="treatment",
            control="control",
            at_least=0.5,
            every_seed=True,
        ),
    )

    def run(self, arm: str, seed: int, scale: Scale) -> Found:
        if self.log:
            with Path(self.log).open("a", encoding="utf-8") as file:
                file.write(f"{arm}/{seed}\n")
        while self.log and seed > 12 and Path(f"{self.log}.hold").exists():
            time.sleep(0.01)
        time.sleep(self.slow)
        if arm == self.bad:
            return self._bad(seed)
        noise = float(stream(seed, "noise").normal()) + 0.1 * float(stream(seed, arm).normal())
        return {"x": noise + self.effect * (arm == "treatment"), "unknown": None}

    def _bad(self, seed: int) -> Found:
        if self.how == "die":
            os._exit(3)
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "nan":
            return {"x": float("nan")}
        if self.how == "text":
            return "all good"  # type: ignore[return-value]
        if self.how == "once" and seed != 12:
            return {"x": 0.0}
        raise ValueError(f"no data for {seed} <script>")


EXPERIMENTS = (Effect(),)
