"""The judge: noise-normalised squared correlations, pooled over all vertices, and where they come from.

At each vertex, in this order: Pearson's r over test images; negative r is 0; r²; a ceiling of 0 is 1e-14; the score is
100 r² / ceiling, at most 100. The score of an entry is the mean over all vertices of all subjects and hemispheres in
one list, not a mean of means; the median is told beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.numerics.scores import LEAST_CEILING, correlations, jackknife_error, normalised, without_each
from guerdon.systems.algonauts.layout import CLASSES, HEMISPHERES, Hemisphere, Mask, Subject

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Wide: TypeAlias = npt.NDArray[np.float64]
NORMAL = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Truth:
    """What the judge knows of one hemisphere of one subject.

    Args:
        subject: such as subj01.
        hemisphere: lh or rh.
        responses: (images, vertices).
        ceiling: (vertices,).
        regions: vertices of each region.

    Raises:
        ConfigError: a response or a ceiling is not finite: its vertex would count as 0 whatever is predicted.
    """

    subject: str
    hemisphere: Hemisphere
    responses: Floats
    ceiling: Wide
    regions: Mapping[str, Mask]

    def __post_init__(self) -> None:
        sums = np.sum(self.responses, axis=0, dtype=np.float64) + self.ceiling
        if not np.isfinite(sums).all():
            vertices = np.flatnonzero(~np.isfinite(sums))
            got = f"{len(vertices):,} vertices have others, the first is {int(vertices[0])}"
            expected = f"finite responses and ceilings of {self.subject} {self.hemisphere}"
            raise ConfigError(expected, got, "Leave these vertices out")

    @classmethod
    def of(cls, subject: Subject, hemisphere: Hemisphere) -> Truth:
        """Read from a subject's folder.

        Raises:
            ConfigError: files are missing or do not fit each other.
        """
        responses, ceiling = subject.fmri("test", hemisphere), subject.ceiling(hemisphere)
        if responses.shape[1] != len(ceiling):
            got = f"got {responses.shape[1]} and {len(ceiling)}"
            raise ConfigError(f"responses and ceilings of {subject.name} {hemisphere} fit", got, "Check the files")
        return cls(subject.name, hemisphere, responses, ceiling, subject.regions(hemisphere))


@dataclass(frozen=True, eq=False)
class Part:
    """The scores of one hemisphere of one subject.

    Args:
        truth: against what.
        scores: (vertices,), 0 to 100.
        flat: vertices that were predicted the same for every image.
        left_out: (images, 1 + regions), sums of scores with each image left out, over all vertices and each region.
    """

    truth: Truth
    scores: Wide
    flat: int
    left_out: Wide


def score_part(truth: Truth, predicted: Floats) -> Part:
    """Score the predictions for one hemisphere.

    Args:
        truth: what is known.
        predicted: (images, vertices), rows in the order of the pictures' file names.

    Raises:
        ConfigError: the shape is another.
    """
    if predicted.shape != truth.responses.shape:
        expected = f"predictions of {truth.subject} {truth.hemisphere} of shape {truth.responses.shape}"
        raise ConfigError(expected, f"got {predicted.shape}", "Check rows (images) and columns (vertices)")
    r = correlations(predicted, truth.responses)
    everything = np.ones((1, len(truth.ceiling)), bool)
    members = np.concatenate([everything, *(mask[None, :] for mask in truth.regions.values())])
    left_out = without_each(predicted, truth.responses, truth.ceiling, members)
    flat = int((np.isnan(r) & (np.ptp(truth.responses, axis=0) > 0)).sum())
    return Part(truth, normalised(r, truth.ceiling), flat, left_out)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    Args:
        subject: or "all".
        hemisphere: or "both".
        region: or "All_vertices".
        vertices: how many.
        mean: of their scores; `None` without vertices: nothing is known then.
        median: the same.
        error: standard error of the mean over test images; `None` where it is not known.
    """

    subject: str
    hemisphere: str
    region: str
    vertices: int
    mean: float | None
    median: float | None
    error: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, within 0 and 100."""
        if self.mean is None or self.error is None:
            return None
        half = NORMAL * self.error
        return max(0.0, self.mean - half), min(100.0, self.mean + half)


ALL = "All_vertices"


@dataclass(frozen=True, eq=False)
class Report:
    """All scores of an entry."""

    parts: Sequence[Part]

    @property
    def whole(self) -> Row:
        """The score itself."""
        return self.row(ALL)

    def row(self, region: str, subject: str = "all", hemisphere: str = "both") -> Row:
        """One line: the mean over the pooled vertices. Errors of subjects add up as those of independent images."""
        chosen = [
            p for p in self.parts if subject in ("all", p.truth.subject) and hemisphere in ("both", p.truth.hemisphere)
        ]
        scores = [_of(part, region) for part in chosen]
        pooled = np.concatenate(scores) if scores else np.empty(0)
        if not len(pooled):
            return Row(subject, hemisphere, region, 0, None, None, None)
        error = math.sqrt(sum(_variance(chosen, name, region) for name in {p.truth.subject for p in chosen}))
        known = error / len(pooled) if math.isfinite(error) else None
        return Row(subject, hemisphere, region, len(pooled), float(pooled.mean()), float(np.median(pooled)), known)

    def regions(self) -> list[str]:
        """Regions that are known, in the organisers' order, then others."""
        there = {name for part in self.parts for name in part.truth.regions}
        order = [name for names in CLASSES.values() for name in names]
        return [name for name in order if name in there] + sorted(there - set(order))

    def rows(self) -> list[Row]:
        """All, by region, by subject and hemisphere, by subject, hemisphere and region."""
        own = [(part.truth.subject, part.truth.hemisphere) for part in self.parts]
        rows = [self.whole, *(self.row(region) for region in self.regions())]
        rows += [self.row(ALL, *each) for each in own]
        return rows + [self.row(region, *each) for each in own for region in self.regions()]

    def warnings(self) -> list[str]:
        """What the entrant should know."""
        flat = [(f"{p.truth.subject} {p.truth.hemisphere}", p.flat) for p in self.parts if p.flat]
        return [
            f"{name}: {count} vertices have the same prediction for every image and count as 0" for name, count in flat
        ]

    def bounds(self) -> tuple[float, float]:
        """Expected scores of a prediction of chance, and of the signal without its noise, on these ceilings."""
        found = [expected(part.truth.ceiling, len(part.truth.responses)) for part in self.parts]
        sizes = [len(part.scores) for part in self.parts]
        return tuple(float(np.average([each[k] for each in found], weights=sizes)) for k in (0, 1))  # type: ignore[return-value]


def _of(part: Part, region: str) -> Wide:
    if region == ALL:
        return part.scores
    mask = part.truth.regions.get(region)
    return part.scores[mask] if mask is not None else np.empty(0)


def _variance(parts: Sequence[Part], subject: str, region: str) -> float:
    """Of a subject's sum of scores; its hemispheres saw the same images."""
    total: Any = 0.0
    for part in parts:
        names = [ALL, *part.truth.regions]
        if part.truth.subject == subject and region in names:
            total = total + part.left_out[:, names.index(region)]
    return float(jackknife_error(np.asarray(total)) ** 2) if np.ndim(total) else 0.0


def judge(truths: Sequence[Truth], predicted: Mapping[str, Mapping[str, Floats]]) -> Report:
    """Score an entry: predictions (images, vertices) by subject and hemisphere."""
    return Report([score_part(truth, predicted[truth.subject][truth.hemisphere]) for truth in truths])


def expected(ceiling: Wide, images: int) -> tuple[float, float]:
    """Mean scores of predictions that know nothing, and of predictions that are the signal itself.

    Clipping makes the first more than 0 and the second less than 100. By chance r² is Beta(1/2, (n − 2)/2); of the
    signal, atanh r is nearly normal about atanh √ceiling with variance 1/(n − 3).

    Args:
        ceiling: (vertices,).
        images: n, in the test split.
    """
    from scipy.special import betainc

    if images < 4:
        return math.nan, math.nan
    most = np.where(ceiling == 0, LEAST_CEILING, ceiling)
    a, b = 0.5, (images - 2) / 2
    inside = np.minimum(most, 1.0)
    within = betainc(a + 1, b, inside) * a / (a + b) / most
    chance = 50.0 * (within + 1.0 - betainc(a, b, inside))
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    centre = np.arctanh(np.minimum(np.sqrt(most), 1 - 1e-9))
    r = np.tanh(centre[:, None] + nodes / math.sqrt(images - 3))
    signal = normalised(r.T, most).T @ (weights / weights.sum())
    return float(chance.mean()), float(signal.mean())


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the four text files of the organisers' scorer, and a table with everything.

    An empty region is "nan" there, as it is unknown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = [(part.truth.subject, part.truth.hemisphere) for part in report.parts]
    regions = report.regions()
    texts = {
        "scores.txt": [_line("", report.whole)],
        "scores_by_roi.txt": [_line("", report.row(region)) for region in regions],
        "scores_by_subject.txt": [_line("_".join(each) + "_", report.row(ALL, *each)) for each in own],
        "scores_by_subject_and_roi.txt": [
            _line("_".join(each) + "_", report.row(region, *each)) for each in own for region in regions
        ],
        "scores.csv": [
            "subject,hemisphere,region,vertices,mean,median,low,high", *(_cells(row) for row in report.rows()),
        ],
    }  # fmt: skip
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [folder / name for name in texts]


def _line(prefix: str, row: Row) -> str:
    return f"{prefix}{row.region}: {'nan' if row.mean is None else repr(row.mean)}"


def _cells(row: Row) -> str:
    numbers = (row.mean, row.median, *(row.interval or (None, None)))
    return ",".join(
        [
            row.subject,
            row.hemisphere,
            row.region,
            str(row.vertices),
            *("" if n is None else f"{n:.6g}" for n in numbers),
        ]
    )


def truths_of(found: Sequence[Subject]) -> list[Truth]:
    """What the judge knows of these subjects, left hemispheres first."""
    return [Truth.of(subject, hemisphere) for subject in found for hemisphere in HEMISPHERES]
