"""Kaggle contests: a solution with a usage column, a sample submission, a metric by name or a file with `score(...)`.

The rows marked Public are one split, those marked Private another that is sealed. A submission is a table with the
columns and ids of the sample, in any order. The metric is called as Kaggle calls it: `score(solution, submission,
row_id_column_name)` on data frames without the usage column; what it raises as `ParticipantVisibleError` is for the
entrant, anything else for the organiser.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from guerdon.core.challenge import Visibility
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.hosting.files import FileProblemError, Table, read_table
from guerdon.interop.contest_folder import Contest, Measure, Part, Split, refused, slug_of
from guerdon.interop.foreign_code import entry_of, read_code

METRICS: Mapping[str, bool] = {
    "accuracy_score": True, "balanced_accuracy_score": True, "f1_score": True, "matthews_corrcoef": True,
    "cohen_kappa_score": True, "roc_auc_score": True, "average_precision_score": True, "r2_score": True,
    "log_loss": False, "brier_score_loss": False, "mean_squared_error": False, "root_mean_squared_error": False,
    "mean_absolute_error": False, "median_absolute_error": False, "mean_squared_log_error": False,
    "root_mean_squared_log_error": False, "mean_absolute_percentage_error": False,
}  # fmt: skip
"""Metrics of scikit-learn by name, and whether higher is better."""
USAGES = {"public": ("public", Visibility.OPEN), "private": ("private", Visibility.SEALED)}
_NAMED = '''"""{name} of scikit-learn, called as Kaggle calls a metric."""

import sklearn.metrics


def score(solution, submission, row_id_column_name):
    columns = [name for name in solution.columns if name != row_id_column_name]
    truth, given = solution[columns], submission[columns]
    if len(columns) == 1:
        truth, given = truth[columns[0]], given[columns[0]]
    return sklearn.metrics.{name}(truth, given)
'''
Files = dict[str, bytes]


def read_kaggle(
    files: Mapping[str, bytes], metric: str = "", *, title: str = "A Kaggle contest", higher: bool | None = None
) -> tuple[Contest, Files, Files, Files]:
    """Read a contest.

    Args:
        files: `solution.csv`, `sample_submission.csv`, and `metric.py` if no metric is named.
        metric: the name of a metric of scikit-learn.
        title: for people.
        higher: whether more of `metric.py` is better; yes by default.

    Returns:
        The contest; the metric's files; keys; files for entrants.

    Raises:
        ConfigError: a file is missing, or does not fit the others; with the line and column.
    """
    try:
        sample = read_table(_only(files, "sample_submission"), where="sample_submission.csv")
        row_id = sample.columns[0]
        read_table(_only(files, "sample_submission"), id_column=row_id, where="sample_submission.csv")
        solution = read_table(_only(files, "solution"), None, row_id, sample.column(row_id), where="solution.csv")
    except FileProblemError as error:
        raise ConfigError(error.expected, error.got, error.do) from None
    usage = next((name for name in solution.columns if name.lower() == "usage"), None)
    program, key, more, custom = _metric(files, metric)
    code = read_code(program)
    if code.problems:
        raise refused("a Kaggle contest", code.problems)
    if not custom and (missing := [name for name in sample.columns if name not in solution.columns]):
        got = f"there is no {missing[0]!r}"
        raise ConfigError("solution.csv has the columns of the sample", got, "Add it, or bring a metric.py")
    splits, keys = _splits(solution, usage, Measure(key=key, higher=more if higher is None else higher, title=key))
    imports = tuple(dict.fromkeys((*code.imports, *read_code({"x.py": b"import pandas"}).imports)))
    if "pandas" not in imports:
        raise ConfigError("pandas calls the metric", "it is not installed", "pip install pandas")
    contest = Contest(
        source="kaggle", slug=slug_of(title), title=title, splits=splits, imports=imports, row_id=row_id,
        columns=sample.columns, notes=tuple(f"A submission may become code: {each}" for each in code.warnings),
    )  # fmt: skip
    return contest, program, keys, {"sample_submission.csv": _only(files, "sample_submission")}


def _only(files: Mapping[str, bytes], start: str) -> bytes:
    found = [name for name in files if name.rpartition("/")[2].startswith(start) and name.endswith(".csv")]
    if len(found) != 1:
        raise ConfigError(f"one file {start}*.csv", f"there are {len(found)}", "Put it beside the others")
    return files[found[0]]


def _metric(files: Mapping[str, bytes], metric: str) -> tuple[Files, str, bool, bool]:
    """The files of the metric, its name, whether higher is better, and whether it is the organiser's own."""
    own = {name.rpartition("/")[2]: data for name, data in files.items() if name.endswith(".py")}
    if metric:
        if metric not in METRICS:
            raise ConfigError(
                "--metric names a metric of scikit-learn", f"got {metric!r}", did_you_mean(metric, METRICS)
            )
        return {"metric.py": _NAMED.format(name=metric).encode()}, metric, METRICS[metric], False
    entry = entry_of(own, "score")
    if not entry:
        do = "Name one with --metric, or add metric.py"
        raise ConfigError("a metric: a file with score(solution, submission, row_id_column_name)", "there is none", do)
    return own, "score", True, True


def _splits(solution: Table, usage: str | None, measure: Measure) -> tuple[tuple[Split, ...], Files]:
    columns = [name for name in solution.columns if name != usage]
    places = [solution.columns.index(name) for name in columns]
    rows: dict[str, list[Sequence[str]]] = {}
    for row, line in zip(solution.rows, solution.lines, strict=True):
        told = row[solution.columns.index(usage)].strip().lower() if usage else "private"
        if told == "ignored":
            continue
        if told not in USAGES:
            got = f"line {line} has {told[:30]!r}"
            raise ConfigError("the usage of a row is Public, Private or Ignored", got, "Mend the solution")
        rows.setdefault(told, []).append([row[place] for place in places])
    keys = {f"{name}/solution.csv": _csv(columns, rows[name]) for name in USAGES if name in rows}
    splits = [
        Split(
            name=name, title=f"the {name} rows", visibility=visibility, measures=(measure,), file_types=(".csv",),
            parts=(Part(keys=name, command=("metric.py",)),), limits={"per_day": 5},
        )
        for name, visibility in USAGES.values()
        if name in rows
    ]  # fmt: skip
    return tuple(splits), keys


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([columns, *rows])
    return out.getvalue().encode()


def oracle_of(contest: Contest, folder: Path) -> str | None:
    """The solution as a submission, where it has the submission's columns; rows of no use are the sample's."""
    sample = read_table(folder / "public" / "sample_submission.csv")
    place = sample.columns.index(contest.row_id)
    rows = {row[place]: list(row) for row in sample.rows}
    for split in contest.splits:
        for part in split.parts:
            table = read_table(folder / "keys" / part.keys / "solution.csv")
            if not set(sample.columns) <= set(table.columns):
                return None
            order = [table.columns.index(name) for name in sample.columns]
            rows.update({row[order[place]]: [row[k] for k in order] for row in table.rows})
    return _csv(sample.columns, list(rows.values())).decode()
