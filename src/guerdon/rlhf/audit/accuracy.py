"""How often the subject agrees with the labels, over all and slice by slice; and how much of the data it can judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.prefer.calibration import Estimate
from guerdon.prefer.sets import FIRST, TIE
from guerdon.rlhf.audit.estimates import differs, holm, share
from guerdon.rlhf.audit.findings import Drawing, Finding, Number, Series, Table, Verdict, percent, spread
from guerdon.rlhf.audit.subject import Subject, faults

FEWEST = 20
"""Rows that a slice needs."""
MANY = 12
"""Most different values of a column that is a slice."""
APART = 0.10
"""How much less accurate a slice must be for a warning, beside being so beyond chance."""
Labels = list[Any]


def coverage(subject: Subject) -> Finding:
    """Probe: how many answers have no score, and why."""
    title = "Answers without a score"
    unknown = np.isnan(subject.gap)
    found = share(unknown.astype(float), subject.groups)
    verdict: Verdict = "ok" if not unknown.any() else "bad" if found.value >= 0.05 else "warn"
    why = "Every pair was judged." if not unknown.any() else f"{percent(found.value)} of pairs could not be judged."
    tables: tuple[Table, ...] = ()
    if subject.reward is not None and unknown.any():
        reasons = faults([*subject.scored[0], *subject.scored[1]]).most_common(8)
        tables = (Table("Reasons", ("reason", "answers"), tuple(reasons)),)
    return Finding(
        probe="coverage",
        title=title,
        verdict=verdict,
        why=why,
        rule="warn if any pair has an unknown score, bad from 5 %",
        do="" if verdict == "ok" else "Mend the reward, or check that its range is declared; unknown is not zero.",
        numbers=(
            Number.of("pairs without a score", found, len(subject)),
            Number("ties among the labels", float((subject.rows.choice == TIE).mean()), n=len(subject), kind="share"),
        ),
        tables=tables,
    )


def accuracy(subject: Subject) -> Finding:
    """Probe: agreement with the labels, over all and by slice."""
    right, groups = subject.right, subject.groups
    known = ~np.isnan(right)
    every = share(right, groups)
    rows, drawn, alarms, tested = _slices(subject, known)
    verdict: Verdict = "ok"
    if not known.any():
        why = "No pair has both a label and known scores."
        return Finding(probe="accuracy", title="Agreement with the labels", verdict="not measured", why=why)
    why = f"It agrees with {spread(every)} of {int(known.sum())} labels."
    if alarms:
        verdict, why = "warn", f"{why} Clearly worse: {', '.join(alarms)}."
    if every.low <= 0.5:
        verdict, why = (
            "bad",
            f"{why} That is not told from guessing." if every.high >= 0.5 else f"{why} Worse than chance.",
        )
    elif every.low < 0.55 and verdict == "ok":
        verdict, why = "warn", f"{why} That is little more than guessing."
    expected = 0.05 * tested
    note = (
        f"{tested} slices were compared with the other rows of their column; about {expected:.1f} would look different "
    )
    note += f"at 5 % by chance alone, {len(alarms)} are worse by 10 points after Holm's correction."
    return Finding(
        probe="accuracy",
        title="Agreement with the labels",
        verdict=verdict,
        why=f"{why} {note}" if tested else why,
        rule="bad if the interval reaches one half; warn if it reaches 55 %, or if a slice is at least 10 points worse "
        "than the rest of its column after Holm's correction",
        do=_advice(every, alarms) if verdict != "ok" else "",
        numbers=(
            Number.of("agreement", every, int(known.sum())),
            Number("pairs with equal scores", float((right[known] == 0.5).mean()), n=int(known.sum()), kind="share"),
        ),
        tables=(Table("By slice", ("slice", "value", "pairs", "agreement", "low", "high", "adjusted p"), rows),)
        if rows
        else (),
        drawings=drawn,
    )


def _advice(every: Estimate, alarms: list[str]) -> str:
    if every.low < 0.55:
        return "Do not use it: check that the sides are not exchanged, fit it longer, or label more pairs."
    return f"Collect or clean labels where agreement is low: {', '.join(alarms)}."


def _slices(
    subject: Subject, known: npt.NDArray[np.bool_]
) -> tuple[tuple[tuple[Any, ...], ...], tuple[Drawing, ...], list[str], int]:
    """Rows of the table, the drawing, slices that are clearly worse, and how many were tested."""
    right, groups = subject.right, subject.groups
    rows: list[tuple[str, str, int, Any, float, float]] = []
    for name, labels in slices(subject):
        for value in sorted({label for label in labels if label is not None}, key=str):
            inside = known & np.array([label == value for label in labels])
            rest = known & ~inside & np.array([label is not None for label in labels])
            if inside.sum() < FEWEST:
                continue
            found = share(right[inside], groups[inside])
            p = differs((right[inside], groups[inside]), (right[rest], groups[rest])) if rest.sum() >= FEWEST else 1.0
            gap = found.value - float(right[rest].mean()) if rest.any() else 0.0
            rows.append((name, str(value), int(inside.sum()), found, p, gap))
    adjusted = holm([row[4] for row in rows])
    alarms = [
        f"{name} {value} ({percent(found.value)})"
        for (name, value, _, found, _, gap), p in zip(rows, adjusted)
        if p < 0.05 and gap <= -APART and name != "length"  # length has a probe of its own
    ]
    told = tuple(
        (name, value, n, found.value, found.low, found.high, p)
        for (name, value, n, found, _, _), p in zip(rows, adjusted)
    )
    return told, _drawn(told), alarms, sum(row[4] < 1 for row in rows)


def _drawn(rows: Sequence[tuple[Any, ...]]) -> tuple[Drawing, ...]:
    if not rows:
        return ()
    some = rows[:16]
    points = Series(
        "agreement",
        tuple(r[3] for r in some),
        tuple(range(len(some))),
        tuple(r[4] for r in some),
        tuple(r[5] for r in some),
    )
    says = "Share of labels that the subject agrees with, with 95 % intervals, by slice; the line is guessing."
    names = tuple(f"{r[0]}: {r[1]} ({r[2]})" for r in some)
    return (Drawing("intervals", "Agreement by slice", says, "agreement", "", (points,), names, (0.5,)),)


def slices(subject: Subject) -> Iterator[tuple[str, Labels]]:
    """Columns by which rows fall into slices: length, annotator, margin, and what the data has; None is in no slice."""
    one, two = subject.lengths
    ahead = np.where(subject.rows.choice == FIRST, one - two, two - one)
    yield "length", [("shorter is better", "same length", "longer is better")[int(np.sign(gap)) + 1] for gap in ahead]
    yield from _categories("annotator", [name or None for name in subject.rows.annotator])
    yield from _thirds("margin", subject.rows.margin)
    columns = subject.rows.columns
    for name, column in columns.items():
        if name.endswith("_first") and f"{name.removesuffix('_first')}_second" in columns:
            yield from _sides(subject, name.removesuffix("_first"))
        elif not name.endswith(("_first", "_second")):
            yield from _thirds(name, column) if _numeric(column) else _categories(name, list(column))


def _numeric(column: Any) -> bool:
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "f" or (column.dtype.kind in "iu" and len(np.unique(column)) > MANY)
    return any(isinstance(v, float) for v in column) and all(v is None or type(v) in (int, float) for v in column)


def _categories(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Labels]]:
    labels = [value.item() if isinstance(value, np.generic) else value for value in column]
    if all(value is None or isinstance(value, (str, bool, int)) for value in labels):
        labels = [value if value is None else str(value) for value in labels]
        if 1 < len({value for value in labels if value is not None}) <= MANY:
            yield name, labels


def _thirds(name: str, column: Any) -> Iterator[tuple[str, Labels]]:
    values = np.array([np.nan if value is None else value for value in column], float)
    known = values[np.isfinite(values)]
    if len(known) < max(3 * FEWEST, len(values) // 2) or len(np.unique(known)) < 3:
        return
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    words = ("low", "middle", "high")
    yield name, [None if not np.isfinite(v) else words[int(v > low) + int(v > high)] for v in values]


def _sides(subject: Subject, name: str) -> Iterator[tuple[str, Labels]]:
    """Whether the chosen side has more of a quantity, for quantities that do not decide the label themselves."""
    one, two = (subject.rows.columns[f"{name}_{side}"] for side in ("first", "second"))
    if not all(isinstance(v, (int, float, np.number)) or v is None for column in (one, two) for v in column):
        return
    gap = np.array([np.nan if v is None else v for v in one], float) - np.array(
        [np.nan if v is None else v for v in two], float
    )
    ahead = np.where(subject.rows.choice == FIRST, gap, -gap)
    words = (f"less {name} is better", f"same {name}", f"more {name} is better")
    labels = [None if np.isnan(each) else words[int(np.sign(each)) + 1] for each in ahead]
    if len({label for label in labels if label is not None}) > 1:
        yield name, labels
