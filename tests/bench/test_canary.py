"""A key that can be recognised is searched for wherever a solver, a reader or another process could look."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench_helpers import Climber, Guess

from guerdon import Case, Ledger, Reward, Score, run
from guerdon.ledger.export import export_bundle, to_jsonl
from guerdon.report import render

CANARY = "canary-5e1f0c77-key"


@dataclass(frozen=True, kw_only=True)
class Careless(Reward):
    """Scores by the key, and raises with an ordinary message on every seventh answer."""

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        assert all(case.key["secret"] == CANARY for case in cases)
        environment = "".join(
            Path(f"/proc/{os.getpid()}/{name}").read_text("utf-8", "replace") for name in ("environ", "cmdline")
        )
        assert CANARY not in environment
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        if not isinstance(case.answer.content, int):
            return Score.failed("invalid", "not a number")
        if case.answer.content % 7 == 0:
            raise ValueError("cannot judge a multiple of seven")
        return Score(0.5)


@dataclass(frozen=True, kw_only=True)
class Guarded(Guess):
    """A challenge whose keys hold the canary."""

    @property
    def judge(self) -> Any:
        return Careless()

    def keys(self, tasks: Sequence[Any]) -> Sequence[Any]:
        return [{"secret": CANARY} for _ in tasks]


@pytest.mark.parametrize("workers", ["inline", "processes:1"])
def test_no_key_reaches_what_a_solver_or_a_reader_can_see(
    tmp_path: Path, workers: str, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def spy(self: Any, problem: Any, state: Any, judged: Any, rng: Any) -> Any:
        seen.append(repr(problem) + repr(judged))
        return Climber.tell(self, problem, state, judged, rng)

    watching = type("Climber", (Climber,), {"tell": spy})(faulty=0.2)
    with Ledger.open(tmp_path / "a.db") as book:
        steps: list[str] = []
        done = run(
            watching, Guarded(), ledger=book, budget=60, workers=workers, on_progress=lambda at: steps.append(repr(at))
        )
        export_bundle(book, tmp_path / "bundle", done.id)
        to_jsonl(book, tmp_path / "a.jsonl", done.id, format="attempts")
        page = render(book, [done.id])
    faults = [text for text in seen if "multiple of seven" in text]
    assert faults, "the judge's own words do reach an open split; only keys must not"
    printed = capfd.readouterr()
    texts = [*seen, *steps, page, printed.out, printed.err]
    assert all(CANARY not in text for text in texts)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
