"""Contest problems whose answer is a program: run in the sandbox on many cases, marked by the contest's rules.

An answer is `{"language": "cpp" | "python", "source": "..."}` (also as a `construction`). The program reads a case
from standard input and writes its solution. A program that fails on any case (no valid output, over its time or
memory, ended badly) is worth 0, as in the contest; what is no program, and C++ that does not compile, is a fault.

The cases that judge are drawn from seeds which are the key; the task shows others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from guerdon.core.challenge import Probes
from guerdon.core.errors import ChallengeError, RewardError
from guerdon.core.plain import Json, digest
from guerdon.core.reward import Need
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.sandbox import Limits, Outcome
from guerdon.sandbox.programs import LANGUAGES, Program, run_programs
from guerdon.systems.ttt_discover.problem import Discovery, Invalid, Verifier, construction, shown

MOST_SOURCE = 512 * 1024
"""Longest source, in bytes (the contest site's limit)."""
PUBLIC_SEED = 1_000_000
"""Seed of the first case that a task shows; judging seeds stay below it."""
CHEATS: Mapping[str, Sequence[Any]] = {
    "no program": [None, True, "print(1)", [], {}, {"language": "cpp"}, {"source": "print(1)"}],
    "unknown language": [{"language": "rust", "source": "fn main() {}"}],
    "source that is no text": [{"language": "python", "source": 7}, {"language": ["python"], "source": "print(1)"}],
    "a reported score": [{"language": "python", "source": "", "score": 1e9, "mean": 1e9}],
    "a score printed": [{"language": "python", "source": "print('Score = 1000000000')"}],
    "a huge number": [{"language": "python", "source": "print(10 ** 9)"}],
    "leave early": [{"language": "python", "source": "import os\nos._exit(0)"}],
    "a forged answer of the judge": [
        {"language": "python", "source": "import os\nos.write(3, b'\\0' * 7 + b'\\1\\2\\0\\0\\0\\0T')\nos._exit(0)"}
    ],
}
"""Known hacks of contest judges; none may gain anything."""


class WrongOutput(Exception):  # noqa: N818  # it is the contest's verdict, not an error of this program
    """What a program wrote is not a valid solution of its case."""


def program(content: Any) -> Program:
    """The program in an answer.

    Raises:
        Invalid: it has none.
    """
    if isinstance(content, Mapping) and "construction" in content:
        content = construction(content)
    if not isinstance(content, Mapping):
        raise Invalid('a program: {"language": "cpp" or "python", "source": text}', f"got {shown(content)}")
    language, source = content.get("language"), content.get("source")
    if language not in LANGUAGES:
        raise Invalid(f"a language out of {', '.join(LANGUAGES)}", f"got {shown(language)}")
    if not isinstance(source, str):
        raise Invalid("a source text", f"got {shown(source)}")
    if len(source) > MOST_SOURCE:
        raise Invalid(f"a source of at most {MOST_SOURCE} characters", f"got {len(source)}")
    try:
        source.encode("utf-8")
    except UnicodeEncodeError:
        raise Invalid("a source text in UTF-8", "it holds a lone surrogate") from None
    return Program(language, source)


@dataclass(frozen=True)
class Marked(Verifier):
    """Runs programs on the key's cases and pays the mean mark over `scale`; 0 when one case fails.

    A subclass writes `generate` and `mark`.

    Args:
        seconds: wall-clock limit of one case.
        memory_mb: memory of one case, in MiB.
        scale: the mean mark that is worth 1.
    """

    seconds: float = 2.0
    memory_mb: int = 1024
    scale: float = 1.0
    part: ClassVar[str] = "mean"
    sense = "max"
    needs = frozenset({Need.SANDBOX})

    def generate(self, seed: int) -> str:
        """The text of a case."""
        raise RewardError("a judge of programs has cases", f"{type(self).__name__} has none", "Write generate(seed)")

    def mark(self, case: str, output: str) -> float:
        """The mark of an output, from 0 up.

        Raises:
            WrongOutput: it is no valid solution.
        """
        raise RewardError("a judge of programs marks outputs", f"{type(self).__name__} does not", "Write mark(...)")

    def reward(self, measured: float) -> float:
        """The mean mark over the scale."""
        return measured / self.scale

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Run all programs of a batch: on their first case, then those that passed it on the others."""
        scores: list[Score | None] = [None] * len(cases)
        asked: dict[int, Program] = {}
        for i, case in enumerate(cases):
            try:
                asked[i] = program(case.answer.content)
            except Invalid as invalid:
                scores[i] = Score.failed(FaultKind.INVALID, str(invalid), "solver")
        texts = {i: self.texts(cases[i].key) for i in asked}
        marks: dict[int, list[float]] = {i: [] for i in asked}
        for part in (slice(0, 1), slice(1, None)):
            going = [i for i in asked if scores[i] is None]
            rows = run_programs(
                [asked[i] for i in going], [texts[i][part] for i in going], self._limits(), imports=("numpy",)
            )
            for i, row in zip(going, rows, strict=True):
                scores[i] = self._settle(texts[i][part], row, marks[i], len(texts[i]))
        return [score if score is not None else self._pay(marks[i]) for i, score in enumerate(scores)]

    def _limits(self) -> Limits:
        return Limits(wall_s=self.seconds, memory_mb=self.memory_mb, disk_mb=64, result_kb=1024)

    def _settle(self, texts: Sequence[str], row: Sequence[Outcome], marks: list[float], total: int) -> Score | None:
        """Add the marks of some cases; a score when the program failed or could not be run."""
        for text, outcome in zip(texts, row, strict=True):
            fault = outcome.fault
            if fault is not None and (fault.whose != "solver" or fault.kind is FaultKind.INVALID):
                return Score(None, fault=fault)  # invalid: it does not compile
            if fault is None:
                try:
                    marks.append(self.mark(text, str(outcome.value)))
                    continue
                except WrongOutput:
                    pass
            return Score(0.0, {"mean": 0.0, "cases": float(total), "passed": float(len(marks))})
        return None

    def _pay(self, marks: Sequence[float]) -> Score:
        mean = sum(marks) / len(marks)
        return Score(self.reward(mean), {"mean": mean, "cases": float(len(marks)), "passed": float(len(marks))})

    def texts(self, key: Key) -> Sequence[str]:
        """The judging cases behind a key."""
        if "folder" in key:
            return read_cases(key["folder"], key["count"])
        return [self.generate(seed) for seed in key["seeds"]]


@cache
def read_cases(folder: str, count: int) -> tuple[str, ...]:
    """The first cases of a folder of input files in the contest's format, by name.

    Raises:
        ChallengeError: there are none.
    """
    paths = sorted(path for path in Path(folder).glob("*.txt") if path.is_file())[:count]
    if not paths:
        raise ChallengeError("a folder of *.txt files, one case each", f"{folder} has none", "Unpack the inputs there")
    return tuple(path.read_text(encoding="ascii") for path in paths)


@dataclass(frozen=True, kw_only=True)
class Contest(Discovery):
    """Base of a contest problem. A subclass gives `name`, `judge`, `prompt` and the source of an `oracle`."""

    cases: int = 150
    """Cases that judge (150 local ones: arXiv 2601.16175, appendix). Fewer are quicker and noisier."""
    first_seed: int = 0
    """Seed of the first judging case; the others follow (seeds 0 to 149 in the paper)."""
    seconds: float = 2.0
    """Wall-clock limit of one case (the contest's)."""
    memory_mb: int = 1024
    """Memory of one case, in MiB (the contest's)."""
    folder: str = field(default="", metadata={"recipe": False})
    """A folder of input files in the contest's format, to judge on instead of generated cases."""
    public: int = 1
    """Cases that the task shows, none of which judges."""

    @property
    def judge(self) -> Marked:
        """The verifier."""
        raise ChallengeError("a contest has a judge", f"{self.name} has none", "Write the property judge")

    def fingerprint(self) -> str:
        """Digest of the input files, where there are some."""
        return digest(list(read_cases(self.folder, self.cases))) if self.folder else ""

    def sizes(self) -> Mapping[str, Json]:
        """Limits, languages and some cases to look at."""
        examples: list[Json] = [self.judge.generate(PUBLIC_SEED + i) for i in range(self.public)]
        limits: dict[str, Json] = {"seconds": self.seconds, "memory_mb": self.memory_mb}
        return {**limits, "languages": list(LANGUAGES), "examples": examples}

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """Where the judging cases come from."""
        if self.folder:
            return [{"folder": self.folder, "count": self.cases} for _ in tasks]
        return [{"seeds": [self.first_seed + i for i in range(self.cases)]} for _ in tasks]

    def secrets(self, tasks: Sequence[Task]) -> list[str]:
        """The judging cases: none may be shown."""
        return [text for key in self.keys(tasks) for text in self.judge.texts(key)]

    def oracle(self) -> str:
        """Source of an honest Python program."""
        raise ChallengeError("a contest has an oracle", f"{self.name} has none", "Write oracle()")

    def top(self) -> float:
        """The score that the oracle must reach."""
        return 0.0

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """An honest program, against programs that do nothing, break the rules or lie."""
        name = tasks[0].id if tasks else self.name
        oracle = [Answer(name, {"language": "python", "source": self.oracle()})]
        nothing = [Answer(name, {"language": "python", "source": source}) for source in ("", "pass", "input()")]
        cheats = {label: [Answer(name, each) for each in rows] for label, rows in CHEATS.items()}
        return Probes(oracle, nothing, cheats, top=self.top(), floor=0.0) if tasks else Probes()

    def _prompt(self, rules: str) -> str:
        return (
            f"{rules}\n\nHand in a program in C++20 or Python that reads one case from standard input and writes its "
            f"solution to standard output within {self.seconds:g} s and {self.memory_mb} MiB. It is run on "
            f"{self.cases} cases; failing one is failing all. The score is the mean mark over the cases."
        )
