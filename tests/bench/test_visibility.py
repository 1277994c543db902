"""What is released of an aggregate split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench_helpers import Climber, Guess

from guerdon import Answer, Case, Judged, Ledger, Reward, Score, Task, run
from guerdon.bench.visibility import Veil
from guerdon.core.challenge import Visibility


def batch(*scores: float | str) -> list[Judged]:
    made = [Score(each) if isinstance(each, float) else Score.failed(each) for each in scores]
    return [Judged(Task(f"t{i}"), Answer(f"t{i}", 0), score, "a") for i, score in enumerate(made)]


def released(veil: Veil, *scores: float | str) -> set[float | None]:
    return {judged.score.parts.get("aggregate") for judged in veil.show(batch(*scores))}


def test_a_submission_is_released_when_it_beats_the_last_one_beyond_chance() -> None:
    veil = Veil(Visibility.AGGREGATE)
    assert released(veil, 0.0, 1.0, 0.0, 0.0) == {0.25}
    assert released(veil, 1.0, 0.0, 1.0, 0.0) == {0.25}  # better by a quarter, with a standard error of more
    assert released(veil, 1.0, 1.0, 1.0, 1.0) == {1.0}


@pytest.mark.parametrize("kind", ["sandbox", "provider", "judge", "lost"])
def test_what_is_unknown_by_the_hosts_fault_counts_as_nothing(kind: str) -> None:
    veil = Veil(Visibility.AGGREGATE, floor=-10.0)
    assert released(veil, kind, -1.0) == {None}
    assert released(veil, -2.0, -1.0) == {-1.5}
    assert released(veil, 0.0, kind) == {-1.5}
    assert released(veil, -1.5, -0.5) == {-1.0}


def test_failing_pays_nowhere(tmp_path: Path) -> None:
    veil = Veil(Visibility.AGGREGATE, floor=-10.0)
    assert released(veil, -2.0, -1.0) == {-1.5}
    assert released(veil, "timeout", "invalid") == {-1.5}

    @dataclass(frozen=True, kw_only=True)
    class Distance(Reward):
        range = (-40.0, 0.0)

        def judge(self, cases: Sequence[Case]) -> list[Score]:
            distances = [abs(c.answer.content - c.key) if isinstance(c.answer.content, int) else None for c in cases]
            return [Score.failed("invalid") if each is None else Score(-float(each)) for each in distances]

    seen: list[float | None] = []

    class Failing(Climber):
        def ask(self, problem: Any, state: Any, rng: Any) -> list[Answer]:
            return [Answer(task.id, "no number" if seen else 0) for task in problem.tasks]

        def tell(self, problem: Any, state: Any, judged: Sequence[Judged], rng: Any) -> Any:
            seen.append(judged[0].score.parts.get("aggregate"))
            return state

    with Ledger.open(tmp_path / "a.db") as book:
        run(Failing(), Guess(sealing="aggregate"), ledger=book, budget=12, judge=Distance())
    assert seen == [pytest.approx(-22 / 3)] * 4
