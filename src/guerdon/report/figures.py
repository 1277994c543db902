"""The figures of a report: each a drawing, a sentence of what one sees, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from guerdon.report.model import FaultGroup, Numbers, RunReport, Standing
from guerdon.report.svg import Bar, Plot, bars, bounds, intervals, rounded, thinned
from guerdon.report.text import count, duration, number, percent, short

BINS = 24
FEW = 8
"""Up to so many different scores get a bar each."""
FEW_RUNS = 3
"""So many runs are compared kind of fault by kind of fault; more of them by all faults together."""
WHOSE = {"solver": 1, "judge": 3, "host": 5}
"""Colours of whose fault it was."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its words.

    Args:
        ident: unique in the page.
        title: what it shows.
        says: what one sees, in a sentence or two.
        svg: the drawing.
        headers: of the table of its numbers.
        rows: of that table; empty for none.
        legend: label and colour number of each series; empty for one series.
    """

    ident: str
    title: str
    says: str
    svg: Markup
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    legend: tuple[tuple[str, int], ...] = ()


def figures(reports: Sequence[RunReport]) -> list[Figure]:
    """All figures that the data allow, for one run or several in one drawing."""
    made: list[Figure | None] = []
    for seconds in (False, True):
        made += [_tops(reports, seconds), _means(reports, seconds)]
    made += [_pass_at(reports), _scores(reports)]
    made += [_faults(reports), _cost(reports, False), _cost(reports, True)]
    return [figure for figure in made if figure is not None]


def names(reports: Sequence[RunReport]) -> list[str]:
    """What tells the runs apart: the solver, the seed when that is not enough, and the id when that is not either."""
    tries: list[Callable[[RunReport], str]] = [
        lambda r: short(r.row.solver, 32),
        lambda r: f"{short(r.row.solver, 32)} · seed {short(str(r.row.seed), 12)}",
        lambda r: f"{short(r.row.solver, 24)} · {short(r.row.id, 12)}",
    ]
    for name in tries:
        found = [name(report) for report in reports]
        if len(set(found)) == len(found):
            return found
    return [f"{label} ({i})" for i, label in enumerate(found, start=1)]


def _legend(reports: Sequence[RunReport], drawn: Iterable[int]) -> tuple[tuple[str, int], ...]:
    labels = names(reports)
    return tuple((labels[i], i) for i in drawn) if len(reports) > 1 else ()


# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _time_unit(longest: float) -> tuple[float, str]:
    return next(((u, n) for u, n in ((1.0, "seconds"), (60.0, "minutes")) if longest < 180 * u), (3600.0, "hours"))


def _across(reports: Sequence[RunReport], seconds: bool) -> tuple[list[Numbers | None], str]:
    """The horizontal values of each run, and their label."""
    if not seconds:
        return [report.progress.attempts for report in reports], "attempts"
    times = [report.progress.seconds for report in reports]
    longest = max((float(t[-1]) for t in times if t is not None and len(t)), default=0.0)
    unit, label = _time_unit(longest)
    return [None if t is None else t / unit for t in times], label


def _tops(reports: Sequence[RunReport], seconds: bool) -> Figure | None:
    most = max((report.at_top or 0 for report in reports), default=0)
    if not most or any(report.progress.at_top is None and not report.hidden for report in reports):
        return None
    tasks = max(report.totals.tasks or report.totals.tried for report in reports)
    ceiling = float(tasks) if tasks <= 2.5 * most else float(most)
    return _curves(
        reports, seconds, [r.progress.at_top for r in reports], "Tasks at the highest score", "tasks", (0.0, ceiling)
    )  # fmt: skip


def _means(reports: Sequence[RunReport], seconds: bool) -> Figure | None:
    values = np.concatenate([report.scores for report in reports])
    top, *others = {report.top for report in reports}
    if top is not None and not others and np.isin(values, (0.0, top)).all() and any(r.at_top for r in reports):
        return None  # right or wrong: the share of tasks at the top says the same
    means = [report.progress.mean for report in reports]
    if not any(np.isfinite(mean).any() for mean in means):
        return None
    return _curves(reports, seconds, means, "Best score so far, mean over tasks", "score", None)


def _curves(
    reports: Sequence[RunReport],
    seconds: bool,
    heights: Sequence[Numbers | None],
    title: str,
    up: str,
    y: tuple[float, float] | None,
) -> Figure | None:
    across, label = _across(reports, seconds)
    drawn = [(i, xs, ys) for i, (xs, ys) in enumerate(zip(across, heights)) if xs is not None and ys is not None]
    drawn = [(i, *_last_of_each(xs, ys)) for i, xs, ys in drawn if len(xs) and np.isfinite(ys).any()]
    if not drawn or (seconds and max(float(xs[-1]) for _, xs, _ in drawn) <= 0):
        return None
    over = "time" if seconds else "attempts"
    whole = y is not None
    span = y or rounded(bounds(np.concatenate([ys for _, _, ys in drawn])))
    x = bounds(np.concatenate([xs[-1:] for _, xs, _ in drawn]), floor=0.0)
    title = f"{title}, over {over}"
    plot = Plot(title, label, up, x, span, whole=whole, whole_across=not seconds)
    for i, xs, ys in drawn:
        plot.curve(xs, ys, i)
    ident = f"{'tops' if whole else 'means'}-{over}"
    labels = names(reports)
    says = "\n".join(
        _ends(labels[i] if len(reports) > 1 else "", xs, ys, label, whole, reports[i]) for i, xs, ys in drawn[:4]
    )
    if len(drawn) > 4:
        says += f"\nAnd {len(drawn) - 4} more."
    rows = tuple(
        (labels[i], number(float(a)), number(float(b))) for i, xs, ys in drawn[:8] for a, b in zip(*thinned(xs, ys, 8))
    )
    return Figure(
        ident, title, says, plot.svg(ident, says), ("run", label, up), rows, _legend(reports, [i for i, _, _ in drawn])
    )


def _last_of_each(xs: Numbers, ys: Numbers) -> tuple[Numbers, Numbers]:
    """One point per place: where several attempts ended at one moment, what was known after them."""
    known = np.isfinite(ys)
    xs, ys = xs[known], ys[known]
    last = np.append(xs[1:] != xs[:-1], True)
    return xs[last], ys[last]


def _ends(name: str, xs: Numbers, ys: Numbers, unit: str, whole: bool, report: RunReport) -> str:
    last, end = float(ys[-1]), number(float(xs[-1]), 3)
    half = int(np.argmax(ys >= last / 2)) if last > 0 else 0
    who = f"{name}: " if name else ""
    if whole:
        of = report.totals.tasks or report.totals.tried
        found = f"{who}{count(last)} of {count(of)} tasks after {end} {unit}"
        return found + (f", half of them by {number(float(xs[half]), 3)}." if last > 1 else ".")
    first = float(ys[np.isfinite(ys)][0])
    who = f"{who}from" if who else "From"
    tried = count(report.totals.tried)
    return f"{who} {number(first)} to {number(last)} after {end} {unit}, over {tried} tasks tried."


# ── scores ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _scores(reports: Sequence[RunReport]) -> Figure | None:
    shown = [(i, report) for i, report in enumerate(reports) if len(report.scores)]
    if not shown:
        return None
    different = np.unique(np.concatenate([np.unique(report.scores)[: FEW + 1] for _, report in shown]))
    if len(different) <= FEW and len(shown) <= 6:
        return _score_bars(reports, shown, different)
    return _histogram(reports, shown)


def _score_bars(reports: Sequence[RunReport], shown: Sequence[tuple[int, RunReport]], different: Numbers) -> Figure:
    labels, several = names(reports), len(reports) > 1
    rows, table = [], []
    for value in different[::-1].tolist():
        for i, report in shown:
            n = int((report.scores == value).sum())
            share = percent(n, len(report.scores))
            label = f"score {number(value)}" + (f" · {labels[i]}" if several else "")
            rows.append(Bar(label, n / len(report.scores), f"{count(n)} · {share}", i))
            table.append((labels[i], number(value), count(n), share))
    best = float(different[-1])
    says = "\n".join(
        f"{labels[i] + ': ' if several else ''}{percent(int((r.scores == best).sum()), len(r.scores))} of "
        f"{count(len(r.scores))} judged answers have the score {number(best)}."
        for i, r in shown
    )
    title = "Scores of all judged answers"
    svg = bars("scores", title, says, rows, 1.0)
    return Figure("scores", title, says, svg, ("run", "score", "answers", "share"), tuple(table))


def _histogram(reports: Sequence[RunReport], shown: Sequence[tuple[int, RunReport]]) -> Figure:
    span = bounds(np.concatenate([report.scores for _, report in shown]))
    edges = np.linspace(*span, BINS + 1)
    shares = {
        i: 100 * np.histogram(np.clip(report.scores, *span), edges)[0] / len(report.scores) for i, report in shown
    }
    labels = names(reports)
    title = "Scores of all judged answers"
    highest = max(float(share.max()) for share in shares.values())
    plot = Plot(title, "score", "% of answers", (float(edges[0]), float(edges[-1])), rounded((0.0, highest)))
    table = []
    for i, report in shown:
        for low, high, share in zip(edges, edges[1:], shares[i]):
            says = f"{number(float(low))} to {number(float(high))}: {percent(float(share), 100)}"
            if len(shown) == 1:
                plot.bar(float(low), float(high), float(share), says, i)
            if share:
                n = count(round(share * len(report.scores) / 100))
                table.append(
                    (labels[i], f"{number(float(low))} to {number(float(high))}", n, percent(float(share), 100))
                )
        if len(shown) > 1:
            plot.curve(np.repeat(edges, 2)[1:-1], np.repeat(shares[i], 2), i, steps=False)
    says = "\n".join(
        (f"{labels[i]}: half" if len(reports) > 1 else "Half")
        + f" of {count(len(r.scores))} judged answers score {number(float(np.median(r.scores)))} or less, "
        f"the best {number(r.best)}."
        for i, r in shown[:4]
    )
    return Figure(
        "scores", title, says, plot.svg("scores", says), ("run", "score", "answers", "share"), tuple(table[:96]),
        _legend(reports, [i for i, _ in shown]),
    )  # fmt: skip


def _pass_at(reports: Sequence[RunReport]) -> Figure | None:
    shown = [(i, report) for i, report in enumerate(reports) if len(report.pass_at) > 1]
    if not shown:
        return None
    ks = sorted({k for _, report in shown for k, _ in report.pass_at})
    labels = names(reports)
    highest = max(e.high or e.value or 0.0 for _, r in shown for _, e in r.pass_at)
    title = "pass@k: chance that one of k answers is right"
    ceiling = 1.0 if highest > 0.5 else max(1.2 * highest, 0.01)
    plot = Plot(
        title, "k, answers per task", "chance", (0.0, len(ks) - 1.0), (0.0, ceiling), names=[count(k) for k in ks]
    )
    table = []
    for place, (i, report) in enumerate(shown):
        shift = (place - (len(shown) - 1) / 2) * min(12.0, 40 / len(shown))
        for k, estimate in report.pass_at:
            x = float(ks.index(k))
            if estimate.low is not None and estimate.high is not None:
                plot.whisker(x, estimate.low, estimate.high, i, shift)
            plot.dot(x, estimate.value or 0.0, i, shift)
            table.append((labels[i], count(k), number(estimate.value), number(estimate.low), number(estimate.high)))
    says = "\n".join(
        (f"{labels[i]}: " if len(reports) > 1 else "")
        + f"{number(r.pass_at[0][1].value, 3)} with one answer, {number(r.pass_at[-1][1].value, 3)} with "
        f"{count(r.pass_at[-1][0])}."
        for i, r in shown
    )
    says += "\nBars are 95 % intervals over tasks."
    return Figure(
        "pass-at", title, says, plot.svg("pass-at", says), ("run", "k", "chance", "low", "high"), tuple(table),
        _legend(reports, [i for i, _ in shown]),
    )  # fmt: skip


# ── faults and cost ─────────────────────────────────────────────────────────────────────────────────────────────────


def whose_fault(group: FaultGroup) -> str:
    """Whose fault it was, in words."""
    return {"solver": "the answer's", "judge": "the judge's", "host": "the host's"}.get(group.whose, group.whose)


def _faults(reports: Sequence[RunReport]) -> Figure | None:
    groups = [(i, report, group) for i, report in enumerate(reports) for group in report.faults]
    if not groups:
        return None
    several, labels = len(reports) > 1, names(reports)
    if len(reports) > FEW_RUNS:
        groups = [(i, r, FaultGroup("all faults", "", r.totals.faults or 0)) for i, r in enumerate(reports)]
    totals: dict[tuple[str, str], int] = {}
    for _, _, group in groups:
        totals[group.kind, group.whose] = totals.get((group.kind, group.whose), 0) + group.count
    order = sorted(totals, key=lambda kind: -totals[kind])
    groups.sort(key=lambda item: (order.index((item[2].kind, item[2].whose)), item[0]))
    rows, table = [], []
    for i, report, group in groups:
        says = f"{count(group.count)} · {percent(group.count, report.totals.attempts)}"
        if group.count == 0:
            says = "0 · 0 %"
        label = f"{group.kind} · {labels[i] if several else whose_fault(group)}"
        index = i if several else WHOSE.get(group.whose, 0)
        rows.append(Bar(label, group.count / max(report.totals.attempts, 1), says, index))
        table.append((labels[i], group.kind, whose_fault(group), *says.split(" · ")))
    title = "Faults by kind, share of attempts"
    says = "\n".join(_faults_of(labels[i] if several else "", report) for i, report in enumerate(reports[:4]))
    svg = bars("faults", title, says, rows[:24])
    return Figure("faults", title, says, svg, ("run", "kind", "whose", "count", "share"), tuple(table[:60]))


def _faults_of(name: str, report: RunReport) -> str:
    total = sum(group.count for group in report.faults)
    mine = sum(group.count for group in report.faults if group.whose == "solver")
    text = f"{name}: " if name else ""
    text += f"{count(total)} of {count(report.totals.attempts)} attempts have no score"
    return text + (f"; {percent(mine, total)} of these faults are the answers' own." if total else ".")


def _cost(reports: Sequence[RunReport], tokens: bool) -> Figure | None:
    shown = [(i, report) for i, report in enumerate(reports) if len(report.costs.step) > 1]
    if tokens:
        shown = [(i, report) for i, report in shown if report.costs.tokens.any()]
    if not shown:
        return None
    heights = [(i, r, r.costs.tokens if tokens else r.costs.seconds) for i, r in shown]
    unit, scale = ("tokens", 1.0) if tokens else ("seconds", 1.0)
    if not tokens and max(float(ys.max()) for _, _, ys in heights) < 1:
        unit, scale = "milliseconds", 1000.0
    most = 120 if len(shown) == 1 else 40
    binned = [(i, *_binned(r.costs.step, ys * scale, most)) for i, r, ys in heights]
    title = f"{'Tokens' if tokens else 'Time'} per step"
    x = bounds(np.concatenate([xs for _, xs, _ in binned]), floor=0.0)
    y = rounded(bounds(np.concatenate([ys for _, _, ys in binned]), floor=0.0))
    plot = Plot(title, "step", unit, x, y, whole_across=True)
    for i, xs, ys in binned:
        plot.curve(xs, ys, i, steps=False)
    labels = names(reports)
    says = "\n".join(_cost_of(labels[i] if len(reports) > 1 else "", r, ys, tokens) for i, r, ys in heights[:4])
    if any(len(r.costs.step) > most for _, r in shown):
        says += "\nThe line is a mean over neighbouring steps."
    ident = "tokens" if tokens else "cost"
    table = tuple(
        (labels[i], number(float(a)), number(float(b))) for i, xs, ys in binned[:8] for a, b in zip(*thinned(xs, ys, 8))
    )
    return Figure(
        ident, title, says, plot.svg(ident, says), ("run", "step", unit), table, _legend(reports, [i for i, _ in shown])
    )


def _cost_of(name: str, report: RunReport, ys: Numbers, tokens: bool) -> str:
    half = f"{name}: half" if name else "Half"
    middle, most = float(np.median(ys)), float(ys.max())
    said = (count(round(middle)), count(most)) if tokens else (duration(middle), duration(most))
    text = f"{half} of {count(len(ys))} steps took {said[0]} or less, the longest {said[1]}"
    if tokens:
        return text.replace("longest", "most") + "."
    busy = report.totals.sandbox_seconds
    return text + (f"; {duration(busy)} in the sandbox over all." if busy else ".")


def _binned(xs: Numbers, ys: Numbers, most: int) -> tuple[Numbers, Numbers]:
    if len(xs) <= most:
        return xs, ys
    groups = np.array_split(np.arange(len(xs)), most)
    return np.array([xs[g].mean() for g in groups]), np.array([ys[g].mean() for g in groups])


def ranking(reports: Sequence[RunReport], lines: Sequence[Standing]) -> Figure | None:
    """The leaderboard as points with intervals."""
    places = {report.row.id: i for i, report in enumerate(reports)}
    labels = names(reports)
    rows = [
        Bar(
            f"{line.rank}. {labels[places[line.report.row.id]]}", line.mean.value, number(line.mean.value),
            places[line.report.row.id], line.mean.low, line.mean.high,
        )
        for line in lines
        if line.mean.value is not None
    ]  # fmt: skip
    if not rows:
        return None
    says = "Points are means over tasks of the best score, lines their 95 % intervals. "
    says += "Where lines overlap, runs share a rank."
    title = "Mean best score by run"
    return Figure("ranking", title, says, intervals("ranking", title, says, rows, "mean best score"))
