"""Where figures of a training run go: a file of lines, TensorBoard, trackio."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from guerdon.core.errors import ConfigError


class Tracker(Protocol):
    """What is told the figures of each iteration."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Take them."""

    def close(self) -> None:
        """Write what is still to be written."""


class Lines:
    """One JSON object per line. A run that goes on appends; an iteration told twice counts as told last.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": step, **figures}) + "\n")

    def close(self) -> None:
        """Nothing is left to be written."""

    def read(self) -> list[dict[str, float]]:
        """The rows, each iteration once."""
        rows = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        return list({row["iteration"]: row for row in rows}.values())


class TensorBoard:
    """Event files for TensorBoard, by torch or tensorboardX, whichever is installed.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path | str) -> None:
        self._writer = _writer(str(folder))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Each figure as a scalar."""
        for name, value in figures.items():
            self._writer.add_scalar(f"train/{name}", value, step)

    def close(self) -> None:
        """Flush."""
        self._writer.close()


def _writer(folder: str) -> Any:
    for name in ("torch.utils.tensorboard", "tensorboardX"):
        try:
            return importlib.import_module(name).SummaryWriter(folder)
        except ImportError:
            continue
    got = "neither tensorboard nor tensorboardX is installed"
    raise ConfigError("TensorBoard's event files need a writer", got, "Run pip install tensorboard")


class Trackio:
    """A local trackio dashboard.

    Args:
        project: its name.
        name: of the run.
        settings: of the run, shown beside it.
    """

    def __init__(self, project: str, *, name: str | None = None, settings: Mapping[str, Any] | None = None) -> None:
        try:
            trackio = importlib.import_module("trackio")
        except ImportError:
            got = "trackio is not installed"
            raise ConfigError("a trackio dashboard", got, "Run pip install trackio, or use Lines") from None
        self._run = trackio.init(project=project, name=name, config=dict(settings or {}))
        self._finish = trackio.finish

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """The figures of a step."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """End the run."""
        self._finish()


def best_available(folder: Path | str) -> Tracker:
    """TensorBoard where it is installed, else a file `figures.jsonl`, in a folder."""
    try:
        return TensorBoard(folder)
    except ConfigError:
        return Lines(Path(folder) / "figures.jsonl")
