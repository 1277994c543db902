"""The table of a model: each dimension by two probes, beside the majority rate, and the figure of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.report.svg import Bar, intervals
from guerdon.rlhf.probing import Centroids, Converged, Metric, Probe, ProbeScore, Published, score
from guerdon.systems.mrmbench.features import Halves, Reader, task_name
from guerdon.systems.mrmbench.tasks import CLASSES, SEEDS, Level, Sample, found_in, load

PROBES: dict[str, Probe] = {"published": Published(), "converged": Converged()}
"""One epoch of AdamW as published, and logistic regression on standardised h."""


@dataclass(frozen=True)
class Line:
    """One task of the table.

    Args:
        level: easy or hard.
        dimension: of the task.
        probe: "published" or "converged".
        score: on the test part.
        lr: the learning rate that was chosen; nan for none.
    """

    level: Level
    dimension: str
    probe: str
    score: ProbeScore
    lr: float

    def row(self) -> dict[str, Any]:
        """As plain data."""
        told = self.score
        return {
            "level": self.level,
            "dimension": self.dimension,
            "probe": self.probe,
            "n": told.n,
            "accuracy": told.accuracy,
            "low": told.low,
            "high": told.high,
            "majority": told.majority,
            "balanced": told.balanced,
            "balanced_half": told.balanced_half,
            "recalls": [None if np.isnan(each) else each for each in told.recalls],
            "degenerate": told.degenerate,
            "lr": None if np.isnan(self.lr) else self.lr,
        }


def probed(
    reader: Reader,
    data: Path,
    *,
    keep: Path | None = None,
    probes: dict[str, Probe] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Line]:
    """Probe a model in every task of a folder.

    Args:
        reader: of the model.
        data: folder with mrm_easy and mrm_hard.
        keep: where representations are kept.
        probes: by name; `PROBES` by default.
        say: is told what is going on.

    Raises:
        ConfigError: there is no task in the folder.
    """
    tasks = found_in(data)
    if not tasks:
        do = "Download ifnoc/MRMBench from the hub, or build tasks with the build command"
        raise ConfigError(f"tasks in {data.name}", "got none", do)
    lines = []
    for level, dimension in tasks:
        say(f"{level} {dimension}")
        parts = [_part(reader, data, level, dimension, part, keep) for part in ("train", "test")]
        lines += _lines(level, dimension, parts[0], parts[1], probes or PROBES)
    return lines


def _part(reader: Reader, data: Path, level: Level, dimension: str, part: Any, keep: Path | None) -> Any:
    samples: list[Sample] = load(data, level, dimension, part)
    h = reader(samples, keep, task_name(level, dimension, part))
    return h, np.array([each.label for each in samples], np.int64)


def _lines(level: Level, dimension: str, train: Any, test: Any, probes: dict[str, Probe]) -> list[Line]:
    found = []
    for name, kind in probes.items():
        fitted = kind(*train, classes=CLASSES[level], seed=SEEDS[level])
        told = score(fitted.predict(test[0]), test[1], CLASSES[level])
        found.append(Line(level, dimension, name, told, fitted.lr))
    return found


def means(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Mean accuracy over the dimensions of each level, by probe, beside the mean majority rate."""
    found = []
    for level, probe in dict.fromkeys((line.level, line.probe) for line in lines):
        own = [line.score for line in lines if (line.level, line.probe) == (level, probe)]
        figures = {name: float(np.mean([getattr(each, name) for each in own])) for name in FIGURES}
        found.append({"level": level, "probe": probe, "dimensions": len(own), **figures})
    return found


FIGURES = ("accuracy", "majority", "balanced")


def text(lines: Sequence[Line]) -> str:
    """The table for a terminal; "*" marks a probe that does no better than saying always the same."""
    head = f"{'task':<22} {'probe':<10} {'accuracy':>8} {'95 %':>13} {'majority':>8} {'balanced':>8} {'n':>6}"
    made = [head]
    for line in lines:
        told = line.score
        mark = "*" if told.degenerate else " "
        span = f"{100 * told.low:.1f}–{100 * told.high:.1f}"
        made.append(
            f"{line.level + ' ' + line.dimension:<22} {line.probe:<10} {100 * told.accuracy:>7.1f}{mark} {span:>13} "
            f"{100 * told.majority:>8.1f} {100 * told.balanced:>8.1f} {told.n:>6}"
        )
    for row in means(lines):
        figures = f"{100 * row['accuracy']:>7.1f}  {'':>13} {100 * row['majority']:>8.1f} {100 * row['balanced']:>8.1f}"
        made.append(f"{row['level'] + ' mean':<22} {row['probe']:<10} {figures}")
    if any(line.score.degenerate for line in lines):
        made.append("* no better than saying always the same, or blind to one class")
    return "\n".join(made)


def written(lines: Sequence[Line], model: str, out: Path) -> list[Path]:
    """Write `table.json` and `table.svg`, and return them."""
    out.mkdir(parents=True, exist_ok=True)
    plain = {"format": "mrmbench-table-1", "model": model, "lines": [line.row() for line in lines]}
    plain["means"] = means(lines)
    files = [out / "table.json", out / "table.svg"]
    files[0].write_text(json.dumps(plain, indent=1), encoding="utf-8")
    files[1].write_text(figure(lines, model), encoding="utf-8")
    return files


def figure(lines: Sequence[Line], model: str) -> str:
    """Accuracies with intervals and, below each, the majority rate, as an SVG picture of its own."""
    rows = []
    for line in lines:
        told = line.score
        name = f"{line.level} {line.dimension}, {line.probe}"
        index = list(dict.fromkeys(each.probe for each in lines)).index(line.probe)
        says = f"{100 * told.accuracy:.1f} (majority {100 * told.majority:.1f})"
        rows.append(Bar(name, 100 * told.accuracy, says, index, 100 * told.low, 100 * told.high))
    about = "Accuracy on unseen samples with its 95 % interval; the majority rate in brackets."
    svg = str(intervals("mrmbench", f"Probes of {model}", about, rows, "accuracy, %"))
    style = "<style>text{font:13px sans-serif}.end{text-anchor:end}.mid{text-anchor:middle}"
    style += (
        ".grid{stroke:#ddd}.whisker{stroke-width:2}.c0{stroke:#2266aa;fill:#2266aa}.c1{stroke:#bb5522;fill:#bb5522}"
    )
    style += "</style>"
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        "</title>", f"</title>{style}", 1
    )


# ---- confidence ------------------------------------------------------------------------------------------------------


def confidence(
    reader: Reader,
    data: Path,
    samples: Sequence[Sample],
    *,
    level: Level = "easy",
    metric: Metric = "euclidean",
    clusters: int = 1,
    quantile: float = 0.95,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Distances of new samples to the centroids of the test parts of a level's tasks.

    Args:
        reader: of the model.
        data: folder with the tasks.
        samples: new ones; labels are not used.
        level: whose tasks give centroids.
        metric: of the distance.
        clusters: of each label.
        quantile: of d_min over the samples of the tasks, beyond which a reward is dropped.
        keep: where representations are kept.

    Returns:
        `threshold`, and for each sample `d_min`, `dimension`, `keep` and the distance to the nearest centroid of each
        dimension.

    Raises:
        ConfigError: there is no task of this level.
    """
    names = [name for each, name in found_in(data) if each == level]
    if not names:
        raise ConfigError(f"{level} tasks in {data.name}", "got none", "Build them, or choose another level")
    own: dict[str, tuple[Halves, Any]] = {name: _part(reader, data, level, name, "test", keep) for name in names}
    centroids = Centroids.of(own, metric=metric, clusters=clusters)
    threshold = centroids.threshold(np.concatenate([h for h, _ in own.values()]), quantile)
    distances = centroids.distances(reader(samples))
    owners = np.array(centroids.dimensions)
    per = {name: distances[:, owners == name].min(1) for name in names}
    rows = [
        {
            "d_min": float(distances[k].min()),
            "dimension": centroids.dimensions[int(distances[k].argmin())],
            "keep": bool(distances[k].min() <= threshold),
            "distances": {name: float(values[k]) for name, values in per.items()},
        }
        for k in range(len(samples))
    ]
    return {"threshold": threshold, "metric": metric, "quantile": quantile, "samples": rows}
