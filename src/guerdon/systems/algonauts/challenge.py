"""The challenge: predict the response to each test image at every vertex; one zip is one answer.

The data of a challenge is a folder as the organisers lay it out, with `test_fmri` and `noise_ceiling`, which only the
judge reads. Without a folder a small made-up brain stands in, so that everything can be tried.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from guerdon.core.challenge import Challenge, Landmark, Probes, Visibility
from guerdon.core.plain import Blob
from guerdon.core.reward import Range, Reward
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.hosting.errors import HostingError
from guerdon.systems.algonauts.judge import Report, Row, Truth, judge, truths_of
from guerdon.systems.algonauts.layout import HEMISPHERES, subjects
from guerdon.systems.algonauts.submission import FOLDER, Predictions, Shapes, Submission, problem, shapes_of, write

TASK = "test"
PAPER = "arXiv 2301.03198; a kept output of the official scorer"
ENTRY_HELP = """\
A zip with one array for each subject and hemisphere, as `numpy.save` writes them, in the folder
`{folder}` or at the top:

| file | rows: test images | columns: vertices |
|---|---:|---:|
{rows}

- The type is float32, and every number is finite.
- Rows are in the order of the pictures' file names, columns in that of the training responses.
- No other files.

Scale and offset of predictions do not matter; a vertex with the same prediction for every picture counts as 0. A file
that cannot be scored is refused by its name, with what is wrong and where. From Python, with `predictions` by subject
and hemisphere:

    from pathlib import Path
    from guerdon.systems.algonauts.submission import write
    write(predictions, Path("entry.zip"))

Look before you hand it in: `guerdon algonauts check entry.zip --data FOLDER`
"""
TOP = 99.99
"""What the responses themselves score, less rounding in single precision."""


@dataclass(frozen=True, slots=True)
class Packed(Blob):
    """A zip in memory.

    Args:
        data: its bytes.
    """

    data: bytes = b""

    @classmethod
    def holding(cls, data: bytes) -> Packed:
        """Of these bytes."""
        return cls(hashlib.sha256(data).hexdigest(), len(data), "application/zip", data)

    def read(self) -> bytes:
        """Its bytes."""
        return self.data


def packed(predictions: Predictions) -> Packed:
    """Predictions as they are handed in."""
    buffer = io.BytesIO()
    write(predictions, buffer)
    return Packed.holding(buffer.getvalue())


def zip_of(content: Any) -> Path | bytes | str:
    """The zip in an answer; text that says what is wrong, if there is none."""
    if not isinstance(content, Blob):
        return f"a zip of predictions is handed in as a file: got a {type(content).__name__}. Hand in the zip."
    path = getattr(content, "path", "")
    if path:
        return Path(path)
    read = getattr(content, "read", None)
    return read() if read is not None else "the file cannot be read here. Hand it in again."


@dataclass(frozen=True, kw_only=True)
class NoiseNormalised(Reward):
    """The mean noise-normalised squared correlation over all vertices, 0 to 100, with its parts.

    `low` and `high` are a 95 % interval over test images (each left out in turn, subjects taken as independent);
    `chance` and `signal` what no knowledge and perfect knowledge are expected to score with so few images.
    """

    range: Range = (0.0, 100.0)
    label: ClassVar[str] = "algonauts"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Read each zip, subject after subject."""
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        source = zip_of(case.answer.content)
        if isinstance(source, str):
            return Score.failed(FaultKind.INVALID, source)
        try:
            found = Submission(source, shapes_in(case.task))
            report = judge(truths(case.key), _Tables(found))
        except HostingError as error:
            return Score.failed(FaultKind.INVALID, str(error)[:400])
        value = report.whole.mean
        if value is None:
            return Score.failed(FaultKind.JUDGE, "there are no vertices")
        return Score(value, parts_of(report))


class _Tables(Mapping[str, Any]):
    """Predictions of a submission, read when they are asked for and not kept."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission

    def __getitem__(self, subject: str) -> Any:
        return _Sides(self.submission, subject)

    def __iter__(self) -> Any:
        return iter(self.submission.shapes)

    def __len__(self) -> int:
        return len(self.submission.shapes)


class _Sides(_Tables):
    def __init__(self, submission: Submission, subject: str) -> None:
        super().__init__(submission)
        self.subject = subject

    def __getitem__(self, side: str) -> Any:
        return self.submission.read(self.subject, side)


def parts_of(report: Report) -> dict[str, float]:
    """What stands beside the score; what is not known is left out."""
    whole, (chance, signal) = report.whole, report.bounds()
    named: dict[str, float | None] = {"median": whole.median, "chance": chance, "signal": signal}
    if whole.interval is not None:
        named |= {"low": whole.interval[0], "high": whole.interval[1]}
    rows: list[tuple[str, Row]] = [(region, report.row(region)) for region in report.regions()]
    rows += [(f"{subject} {side}", report.row("All_vertices", subject, side)) for subject, side in _own(report)]
    named |= {name: row.mean for name, row in rows}
    named["flat vertices"] = float(sum(part.flat for part in report.parts))
    return {name: value for name, value in named.items() if value is not None and np.isfinite(value)}


def _own(report: Report) -> list[tuple[str, str]]:
    return [(part.truth.subject, part.truth.hemisphere) for part in report.parts]


def shapes_in(task: Task) -> dict[str, dict[str, list[int]]]:
    """What is to be predicted, from a task."""
    told: Any = task.data["predict"]
    return {subject: {side: list(shape) for side, shape in sides.items()} for subject, sides in told.items()}


def truths(key: Key) -> Sequence[Truth]:
    """What the judge knows."""
    return small(key["seed"]) if not key["data"] else truths_of(subjects(Path(key["data"])))


@lru_cache(maxsize=2)
def small(seed: int) -> tuple[Truth, ...]:
    """A made-up brain of two subjects, 24 images and 80 vertices, one of whose regions is empty."""
    found = []
    for subject in ("subj01", "subj02"):
        for side in HEMISPHERES:
            rng = stream(seed, subject, side)
            ceiling = rng.uniform(0.05, 0.8, 20)
            ceiling[3] = 0.0
            signal = rng.normal(size=(24, 6)) @ rng.normal(size=(6, 20)) / 6**0.5
            responses = np.sqrt(ceiling) * signal + np.sqrt(1 - ceiling) * rng.normal(size=(24, 20))
            regions = {"V1v": np.arange(20) < 8, "hV4": np.arange(20) >= 12, "RSC": np.zeros(20, bool)}
            found.append(Truth(subject, side, responses.astype(np.float32), ceiling, regions))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Algonauts(Challenge):
    """Predict responses to natural scenes over visual cortex (Gifford et al. 2023, arXiv 2301.03198)."""

    data: str = field(default="", metadata={"recipe": False})
    """Folder with subj01, subj02, ... as the organisers lay it out, test responses and ceilings included; none takes
    a small made-up brain."""
    seed: int = 0
    """Of the made-up brain."""

    name: ClassVar[str] = "algonauts"
    entry: ClassVar[str] = "file"
    splits: ClassVar[Mapping[str, Visibility]] = MappingProxyType({"test": Visibility.AGGREGATE})

    def fingerprint(self) -> str:
        """A digest of the ceilings and the sizes of all responses."""
        sha = hashlib.sha256()
        for subject in subjects(Path(self.data)) if self.data else []:
            for side in HEMISPHERES:
                sha.update(subject.ceiling_path(side).read_bytes())
                sha.update(str(subject.fmri_path("test", side).stat().st_size).encode())
        return sha.hexdigest()[:32]

    @property
    def entry_help(self) -> str:
        """What an entrant should know of the zip, as markdown."""
        rows = [
            f"| `{subject}/{side}_pred_test.npy` | {images:,} | {vertices:,} |"
            for subject, sides in self.shapes().items()
            for side, (images, vertices) in sides.items()
        ]
        return ENTRY_HELP.format(folder=FOLDER, rows="\n".join(rows))

    @property
    def judge(self) -> Reward:
        """Noise-normalised correlation."""
        return NoiseNormalised()

    def tasks(self, split: str) -> Iterable[Task]:
        """One task: the shape of each table of predictions, (test images, vertices)."""
        return [Task(TASK, {"predict": self.shapes(), "format": "zip of SUBJECT/{lh,rh}_pred_test.npy, float32"})]

    def shapes(self) -> dict[str, dict[str, list[int]]]:
        """What is to be predicted."""
        if self.data:
            return shapes_of(subjects(Path(self.data)))
        found: dict[str, dict[str, list[int]]] = {}
        for truth in small(self.seed):
            found.setdefault(truth.subject, {})[truth.hemisphere] = list(truth.responses.shape)
        return found

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """Where the test responses are."""
        return [{"data": str(Path(self.data).resolve()) if self.data else "", "seed": self.seed} for _ in tasks]

    def entry_problem(self, task: Task, content: Any) -> str | None:
        """What is wrong with a zip, told to who handed it in; seen without the key."""
        source = zip_of(content)
        shapes: Shapes = shapes_in(task)
        return source if isinstance(source, str) else problem(source, shapes)

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published scores on the official test data, which is not that of a made-up brain."""
        if not self.data:
            return ()
        return (
            Landmark("official test data: the organisers' AlexNet baseline", 40.97, "", PAPER),
            Landmark("official test data: frozen EVA-02, linear head", 58.8, "", "arXiv 2308.02351"),
            Landmark("official test data: winner, without memory inputs, ensemble", 61.39, "", "arXiv 2308.01175"),
            Landmark("official test data: winner, ensemble", 70.85, "", "arXiv 2308.01175"),
        )

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """The responses themselves; constants; and what must not pass as predictions."""
        known = truths(self.keys(tasks)[0])
        right = _as_predictions(known, lambda truth: truth.responses)
        flat = _as_predictions(known, lambda truth: np.zeros(truth.responses.shape))
        huge = _as_predictions(known, lambda truth: np.full(truth.responses.shape, 3e38))
        short = _as_predictions(known, lambda truth: truth.responses[:-1])
        opposite = _as_predictions(known, lambda truth: -np.asarray(truth.responses))
        return Probes(
            oracle=[Answer(TASK, packed(right))],
            nothing=[Answer(TASK, packed(flat)), Answer(TASK, None), Answer(TASK, "")],
            cheats={
                "the same huge number everywhere": [Answer(TASK, packed(huge))],
                "the opposite": [Answer(TASK, packed(opposite))],
                "fewer images": [Answer(TASK, packed(short))],
                "no zip": [Answer(TASK, Packed.holding(b"PK"))],
            },
            top=TOP,
            floor=0.0,
        )


def _as_predictions(known: Sequence[Truth], make: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for truth in known:
        found.setdefault(truth.subject, {})[truth.hemisphere] = make(truth)
    return found
