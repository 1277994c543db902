"""A contest from elsewhere as a challenge: its own evaluator judges, inside the sandbox and nowhere else.

The evaluator gets the files of one phase and one submission: no network, no file of the host, no other phase's keys,
and limits. What it says is read as numbers. An evaluator that turns a submission into code (unpickles it, evaluates it)
can be talked into any score; pickles are refused at the door, and the import names such places.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guerdon.core.challenge import Challenge, Probes, Visibility
from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.core.plain import Blob
from guerdon.core.reward import ANY, Need, Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.solver import Desk, Problem, Solver
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.hosting.files import (
    ArchiveCaps,
    FileProblemError,
    FileTooLargeError,
    JsonCaps,
    Table,
    read_json,
    read_table,
    read_zip,
    refuse_pickle,
)
from guerdon.interop.contest_folder import Contest, Part, Split, digest_of, files_below, fingerprint_of, read_contest
from guerdon.interop.inside_foreign import RUNNER
from guerdon.sandbox import Job, Limits, Outcome, shared

LARGEST = 32 << 20
"""Bytes of a submission, and of what is unpacked from it; with the keys, it must fit in one message to the sandbox."""
PROCESSES = 64
FOR_ENTRANT = "for_entrant"
"""The part that tells a host that a fault's words are for the entrant."""
_LINE = re.compile(r"\s*([^:]{1,200}?)\s*:\s*(\S{1,60})\s*")


@lru_cache(maxsize=64)
def _known(folder: str, stamp: int) -> Contest:
    return read_contest(Path(folder))


def contest_of(folder: str) -> Contest:
    """A folder's contest; read again when its `contest.json` changes."""
    path = Path(folder) / "contest.json"
    return _known(folder, path.stat().st_mtime_ns if path.exists() else 0)


@dataclass(frozen=True, kw_only=True)
class ForeignJudge(Reward):
    """Runs a contest's evaluator in the sandbox.

    Args:
        folder: of the contest.
    """

    folder: str = field(metadata={"recipe": False})
    range = ANY
    needs = frozenset({Need.SANDBOX})

    def fingerprint(self) -> str:
        """What it judges with: the evaluator, the keys, and how they are used."""
        return fingerprint_of(Path(self.folder))

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Each submission in a sandbox of its own; one that its phase refuses never reaches the evaluator."""
        contest = contest_of(self.folder)
        scores: list[Score | None] = []
        jobs: list[Job] = []
        for case in cases:
            try:
                split = contest.split(case.task.id)
                files = door(contest, Path(self.folder), case.answer.content)
                jobs += [_job(contest, part, files, Path(self.folder)) for part in split.parts]
                scores.append(None)
            except FileProblemError as error:
                scores.append(Score.failed(FaultKind.INVALID, str(error), "solver", {FOR_ENTRANT: 1.0}))
        outcomes = iter(shared.run(jobs, imports=contest.imports))
        return [
            score or read_outcomes(contest, split, [next(outcomes)[0] for _ in split.parts])
            for score, split in zip(scores, (contest.split(case.task.id) for case in cases), strict=True)
        ]


def bytes_of(content: Any) -> bytes:
    """What was handed in: a stored file, text, or `{"text": ...}` or `{"base64": ...}`.

    Raises:
        FileProblemError: it is none of these, or too large.
    """
    data: object = content
    if isinstance(content, Blob):
        data = content.read() if hasattr(content, "read") else None
    elif isinstance(content, Mapping) and set(content) == {"text"}:
        data = content["text"]
    elif isinstance(content, Mapping) and set(content) == {"base64"}:
        try:
            data = base64.b64decode(str(content["base64"]), validate=True)
        except (binascii.Error, ValueError):
            raise FileProblemError("base64 of a file", "it is not", "Encode it again") from None
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if not isinstance(data, bytes):
        raise FileProblemError("one file", f"got a {type(content).__name__}", 'Hand in its text, or {"base64": ...}')
    if len(data) > LARGEST:
        raise FileTooLargeError(f"a file of at most {LARGEST:,} bytes", f"got {len(data):,}", "Shorten it")
    return data


def door(contest: Contest, folder: Path, content: Any) -> dict[str, bytes]:
    """What the evaluator will find of a submission, after the checks that need no key.

    Raises:
        FileProblemError: with the place of the mistake.
    """
    data = bytes_of(content)
    if not data.strip():
        raise FileProblemError("a file with something in it", "it is empty", "See the example")
    refuse_pickle(data, "the submission")
    if contest.source == "codabench":
        archive = read_zip(data, ArchiveCaps(packed=LARGEST, total=LARGEST, entries=2000), "the submission")
        files = {f"input/res/{name}": archive.read(name) for name in archive}
        for name, each in files.items():
            refuse_pickle(each, name.rpartition("/")[2])
        return files
    if contest.source == "kaggle":
        sample = read_table(folder / "public" / "sample_submission.csv")
        ids = sample.column(contest.row_id)
        table = read_table(data, contest.columns, contest.row_id, ids, where="the submission")
        for name in contest.columns:
            if name != contest.row_id and _all_numbers(sample, name):
                table.numbers(name)
        if empty := next((k for k, row in enumerate(table.rows) if "" in row), None):
            got = f"line {table.lines[empty]} has an empty one"
            raise FileProblemError("cells with something in them", got, "Fill it in")
        return {"answer/submission.csv": _csv(table.columns, table.rows)}
    ending = ".zip" if data[:2] == b"PK" else ".json" if data.lstrip()[:1] in (b"{", b"[") else ".csv"
    types = {name for split in contest.splits for name in split.file_types}
    ending = ending if ending in types or not types else sorted(types - {".zip", ".json"} or types)[0]
    return {f"answer/submission{ending}": data}


def _all_numbers(table: Table, name: str) -> bool:
    try:
        return bool(table.numbers(name))
    except FileProblemError:
        return False


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([columns, *rows])
    return out.getvalue().encode()


def _job(contest: Contest, part: Part, answer: Mapping[str, bytes], folder: Path) -> Job:
    files = {f"program/{name}": data for name, data in files_below(folder / "program" / part.program).items()}
    inside = "input/ref" if contest.source == "codabench" else "keys"
    keys = files_below(folder / "keys" / part.keys)
    given = dict(answer)
    if contest.source == "kaggle":
        given = {name: _rows_of(data, keys["solution.csv"], contest.row_id) for name, data in answer.items()}
    files |= {f"{inside}/{name}": data for name, data in keys.items()} | given
    entry = part.command[0] if part.command else ""
    call: dict[str, Any] = {
        "kind": contest.source,
        "package": entry == "__init__.py",
        "module": entry.removesuffix(".py").replace("/", "."),
        "command": list(part.command),
        "argument": part.argument,
        "keys": next(iter(keys), ""),
        "answer": next(iter(given), ""),
        "row_id": contest.row_id,
        "options": {},
    }
    size = sum(map(len, files.values())) >> 20
    limits = Limits(
        wall_s=contest.wall_s, cpu_s=contest.wall_s, memory_mb=contest.memory_mb, disk_mb=2 * size + 64,
        processes=PROCESSES, open_files=256,
    )  # fmt: skip
    return Job(source=RUNNER, entry="main", calls=[(files, call)], limits=limits)


def _rows_of(answer: bytes, solution: bytes, row_id: str) -> bytes:
    """The rows of a submission that this part of the solution has, in its order."""
    table = read_table(answer)
    place = table.columns.index(row_id)
    rows = {row[place]: row for row in table.rows}
    return _csv(table.columns, [rows[name] for name in read_table(solution).column(row_id)])


def read_outcomes(contest: Contest, split: Split, outcomes: Sequence[Outcome]) -> Score:
    """The score in what the evaluator said, once for each part of a split."""
    found: list[dict[str, float]] = []
    for part, outcome in zip(split.parts, outcomes, strict=True):
        if outcome.fault is not None:
            whose = outcome.fault.whose if outcome.fault.whose == "host" else "judge"
            return Score.failed(outcome.fault.kind, f"the evaluator: {outcome.fault.detail}"[:300], whose)
        told = outcome.value if isinstance(outcome.value, dict) else {}
        if "entrant" in told:
            return Score.failed(FaultKind.INVALID, str(told["entrant"])[:300], "solver", {FOR_ENTRANT: 1.0})
        if "error" in told:
            return Score.failed(FaultKind.JUDGE, f"the evaluator raised {told['error']}"[:300])
        try:
            measures = _measures(contest, split, part, told.get("told"))
        except GuerdonError as error:
            return Score.failed(FaultKind.JUDGE, f"the evaluator's result: {error}"[:300])
        bad = next((each.key for each in split.measures if not _finite(measures.get(each.key))), None)
        if bad is not None and (bad == split.measures[0].key):
            return Score.failed(FaultKind.JUDGE, f"the evaluator gave no finite number for {bad!r}"[:300])
        found.append({name: value for name, value in measures.items() if _finite(value)})
    return _score(split, found)


def _finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _score(split: Split, found: Sequence[Mapping[str, float]]) -> Score:
    main = split.measures[0]
    values = [measures[main.key] for measures in found]
    mean = math.fsum(values) / len(values)
    known = {measure.key for measure in split.measures}
    several = len(found) > 1
    parts = {
        (f"{k}.{name}" if several else name): value
        for k, measures in enumerate(found)
        for name, value in measures.items()
        if name in known
    }
    return Score(mean if main.higher else -mean + 0.0, parts)


def _measures(contest: Contest, split: Split, part: Part, told: Any) -> dict[str, float]:
    if contest.source == "kaggle":
        return {split.measures[0].key: told}
    if contest.source == "codabench":
        return _scores_file(told if isinstance(told, dict) else {})
    rows = [row[part.pick] for row in told if part.pick in row] if isinstance(told, list) else []
    if not rows:
        raise ConfigError(f"a result for the split {part.pick!r}", "there is none", "Mend the evaluator")
    return {str(name): value for row in rows for name, value in row.items()}


def _scores_file(told: Mapping[str, bytes]) -> dict[str, float]:
    if "scores.json" in told:
        found = read_json(told["scores.json"], JsonCaps(size=1 << 16, depth=8), "scores.json")
        if not isinstance(found, dict):
            raise ConfigError("scores.json holds names and numbers", "it is something else", "Mend the scoring program")
        return found
    if "scores.txt" not in told:
        got = "there is neither"
        raise ConfigError("output/scores.json or output/scores.txt", got, "Mend the scoring program")
    lines = told["scores.txt"].decode("utf-8", "replace").splitlines()
    pairs = [match.groups() for match in map(_LINE.fullmatch, lines) if match]
    return {name: _number(text) for name, text in pairs}


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,3})?", text, re.ASCII) else math.nan


@dataclass(frozen=True, kw_only=True)
class ForeignContest(Challenge):
    """A contest that `guerdon import-contest` wrote: one task for each split, whose answer is the file to hand in.

    Args:
        folder: that it wrote.
    """

    folder: str
    entry = "file"

    def __post_init__(self) -> None:
        contest_of(self.folder)

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its slug."""
        return contest_of(self.folder).slug

    @property
    def splits(self) -> Mapping[str, Visibility]:  # type: ignore[override]
        """Its phases, or phases with data sets."""
        return MappingProxyType({split.name: split.visibility for split in contest_of(self.folder).splits})

    @property
    def entry_help(self) -> str:
        """What a file must hold, in markdown: how the sample of a table begins, or which files are taken."""
        contest = contest_of(self.folder)
        if contest.source == "codabench":
            return "A zip with the results, as the contest's pages say."
        if contest.source == "kaggle":
            sample = Path(self.folder) / "public" / "sample_submission.csv"
            with sample.open(encoding="utf-8", errors="replace") as lines:
                begins = "".join(f"    {line.rstrip()[:200]}\n" for line in islice(lines, 4))
            return f"A CSV file with a row for each id of the sample, columns in any order. It begins:\n\n{begins}"
        types = sorted({name for split in contest.splits for name in split.file_types})
        return f"A file as the contest's pages say{': ' + ', '.join(types) if types else ''}."

    @property
    def judge(self) -> ForeignJudge:
        """Its own evaluator, in the sandbox."""
        return ForeignJudge(folder=self.folder)

    def fingerprint(self) -> str:
        """What it is made of."""
        return fingerprint_of(Path(self.folder))

    def tasks(self, split: str) -> list[Task]:
        """The one task of a split."""
        self.visibility(split)
        contest = contest_of(self.folder)
        found = contest.split(split)
        data: dict[str, Any] = {
            "contest": contest.title,
            "prompt": f"Hand in the file of {found.title}.",
            "split": split,
            "measures": [f"{each.key} ({'higher' if each.higher else 'lower'} is better)" for each in found.measures],
        }
        if found.file_types:
            data["file_types"] = list(found.file_types)
        if contest.columns:
            data["columns"] = list(contest.columns)
        return [Task(split, data)]

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """Which files the judge compares with, and their digest."""
        contest = contest_of(self.folder)
        folder = Path(self.folder) / "keys"
        parts = [[part.keys for part in contest.split(task.id).parts] for task in tasks]
        return [{name: digest_of(files_below(folder / name)) for name in names} for names in parts]

    def secrets(self, tasks: Sequence[Task]) -> list[str]:
        """Lines of the files that the judge compares with."""
        contest = contest_of(self.folder)
        names = {part.keys for task in tasks for part in contest.split(task.id).parts}
        files = [data for name in names for data in files_below(Path(self.folder) / "keys" / name).values()]
        lines = [line.strip() for data in files for line in data[: 1 << 16].decode("utf-8", "replace").splitlines()]
        return [line for line in lines[:1000] if len(line) > 8]

    def entry_problem(self, task: Task, content: Any) -> str | None:
        """What is wrong with a submission, as far as can be said without a key; for the entrant."""
        try:
            door(contest_of(self.folder), Path(self.folder), content)
        except FileProblemError as error:
            return str(error)
        return None

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """Nothing earns nothing; files that are programs and files that name others are only data."""
        contest = contest_of(self.folder)
        splits = {task.id: contest.split(task.id) for task in tasks}
        names = [f"../../keys/{part.keys}" for split in splits.values() for part in split.parts]
        cheats: dict[str, list[Any]] = {
            "a pickle": [{"base64": base64.b64encode(b"\x80\x04cos\nsystem\n.").decode()}],
            "a path to the keys": [*names, "file:///etc/passwd", "$(cat /tmp/*/keys/*)"],
        }
        found: dict[str, list[Answer]] = {
            name: [Answer(task.id, content) for task in tasks for content in contents]
            for name, contents in cheats.items()
        }
        oracle = []
        if contest.source == "kaggle":
            from guerdon.interop.kaggle import oracle_of

            oracle = [Answer(task.id, oracle_of(contest, Path(self.folder))) for task in tasks]
        lowest = min(_best(split) for split in splits.values())
        return Probes(oracle=oracle, nothing=[Answer(task.id, "") for task in tasks], cheats=found, top=lowest)

    def explain(self, split: str, content: Any) -> str:
        """What the evaluator says of a file, whole: for the organiser, since it may quote keys."""
        contest = contest_of(self.folder)
        files = door(contest, Path(self.folder), content)
        parts = contest.split(split).parts
        jobs = [_job(contest, part, files, Path(self.folder)) for part in parts]
        said = []
        for (outcome,) in shared.run(jobs, imports=contest.imports):
            told = outcome.value if isinstance(outcome.value, dict) else {}
            said += [str(told.get("detail", told.get("told", ""))), str(outcome.fault or ""), outcome.output]
        return "\n".join(text for text in said if text)


def _best(split: Split) -> float:
    """What a perfect submission reaches at least, where that is known: 1 for a score, 0 for an error."""
    return 1.0 if split.measures[0].higher else -1e-9


@dataclass(frozen=True, kw_only=True)
class HandIn(Solver):
    """Hands in one file for every task: the offline form of a submission.

    Args:
        file: to hand in.
    """

    file: str

    def solve(self, problem: Problem, desk: Desk) -> None:
        """Hand it in."""
        path = Path(self.file)
        if not path.is_file():
            raise ConfigError("--file names a file", f"{path} is not there", "Check the path")
        data = path.read_bytes()
        try:
            content: Any = data.decode("utf-8")
        except UnicodeDecodeError:
            content = {"base64": base64.b64encode(data).decode()}
        desk.score([Answer(task.id, content) for task in problem.tasks])
