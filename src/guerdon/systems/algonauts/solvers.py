"""Solvers: a zip of predictions that is there already, and an encoding model that is fitted to a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from guerdon.core.errors import ConfigError
from guerdon.core.solver import Desk, Problem, Solver
from guerdon.core.task import Answer
from guerdon.systems.algonauts.challenge import Packed, packed


@dataclass(frozen=True, kw_only=True)
class SubmissionFile(Solver):
    """Hand in a zip of predictions."""

    file: str = "entry.zip"
    """The zip."""

    name: ClassVar[str] = "submission-file"

    def solve(self, problem: Problem, desk: Desk) -> None:
        """One answer."""
        try:
            data = Path(self.file).read_bytes()
        except OSError as error:
            raise ConfigError("a zip of predictions", f"{self.file}: {error.strerror}", "Set --file") from None
        for task in problem.tasks:
            desk.score([Answer(task.id, Packed.holding(data))])


@dataclass(frozen=True, kw_only=True)
class LinearEncoder(Solver):
    """The baseline: features of pictures, components of these, and a linear map to each vertex."""

    folder: str = field(default="", metadata={"recipe": False})
    """With subj01, subj02, ...; the one that entrants have will do."""
    features: str = "lite0"
    """pixels, gabor, lite0, alexnet, or LIBRARY:MODEL@LAYER,LAYER."""
    layers: Literal["all", "best"] = "all"
    """Together, or the best for each region."""
    components: int = 100
    """Principal components of the features (source: 100)."""
    fit: Literal["ridge", "ols"] = "ridge"
    """Penalties by cross-validation, or the organisers' least squares."""

    name: ClassVar[str] = "linear-encoder"

    def solve(self, problem: Problem, desk: Desk) -> None:
        """One answer."""
        from guerdon.systems.algonauts.baseline import Baseline
        from guerdon.systems.algonauts.encode import Encoder
        from guerdon.systems.algonauts.features import named

        if not self.folder:
            raise ConfigError("a folder with pictures and training responses", "none is named", "Set --folder")
        encoder = Encoder(components=self.components, solver=self.fit)
        made = Baseline(extractor=named(self.features), encoder=encoder, layers=self.layers)
        for task in problem.tasks:
            desk.score([Answer(task.id, packed(made.predict(Path(self.folder))))])
