"""Pictures of runs: components against their thresholds, multipliers, divergence, evaluation; and of searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guerdon.report.curves import Line, figure, write

if TYPE_CHECKING:
    from guerdon.systems.constrained_rlhf.runs import Course
    from guerdon.systems.constrained_rlhf.thresholds import Vertex


def draw(course: Course, path: Path, title: str, thresholds: Mapping[str, float] | None = None) -> Path:
    """Write a page about a run, and return its path.

    Args:
        course: what happened.
        path: of the page.
        title: of the page.
        thresholds: by component; drawn as broken lines.
    """
    steps = np.arange(len(course.components), dtype=float)
    parts = [Line(name, steps, course.components[:, i]) for i, name in enumerate(course.names)]
    parts += [
        Line(f"{name}, threshold", steps[[0, -1]], np.full(2, theta), dashed=True)
        for name, theta in (thresholds or {}).items()
    ]
    at = course.at.astype(float)
    made = [
        figure("components", "Components", "iteration", "mean of the answers", parts),
        figure(
            "evaluation", "True evaluation", "iteration", "evaluation", [Line("evaluation", at, course.evaluations)]
        ),
    ]
    if np.isfinite(course.kl).any():
        made.append(
            figure(
                "kl", "Divergence from the reference", "iteration", "nats per answer", [Line("KL", steps, course.kl)]
            )
        )
    if np.isfinite(course.multipliers).any():
        lines = [Line(name, at, course.multipliers[:, i]) for i, name in enumerate(course.names)]
        made.append(figure("multipliers", "Multipliers before squashing", "iteration", "multiplier", lines))
    return write(path, title, _lead(course, thresholds or {}), made)


def _lead(course: Course, thresholds: Mapping[str, float]) -> str:
    said = [f"Evaluation {course.final:.4g} over the last quarter, {course.peak:.4g} at its peak."]
    if thresholds:
        found = course.held([thresholds[name] for name in course.names])
        said += [
            f"{name} {each.word}: {each.average:.4g} on average, wanted {thresholds[name]:.4g}."
            for name, each in found.items()
        ]
    return " ".join(said)


def draw_search(tried: Sequence[Vertex], names: Sequence[str], path: Path) -> Path:
    """Write a page about a search for thresholds, and return its path."""
    at = np.arange(1, len(tried) + 1, dtype=float)
    wanted = np.array([each.thresholds for each in tried])
    reached = np.array([each.reached for each in tried])
    lines = [Line(name, at, wanted[:, i]) for i, name in enumerate(names)]
    lines += [Line(f"{name}, reached", at, reached[:, i], dashed=True) for i, name in enumerate(names)]
    scores = np.array([each.evaluation for each in tried])
    best = Line("best so far", at, np.maximum.accumulate(scores))
    made = [
        figure("thresholds", "Thresholds that were tried", "vertex", "threshold", lines),
        figure("evaluations", "True evaluation", "vertex", "evaluation", [Line("at the vertex", at, scores), best]),
    ]
    return write(path, "Search for thresholds", f"{len(tried)} vertices; the best scored {scores.max():.4g}.", made)
