"""What a solver without a learner's loop may rely on: its budget, its places, its choices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench_helpers import Guess, Near

from guerdon import Answer, Ledger, Problem, Solver, run
from guerdon.core.algebra import ranked
from guerdon.core.preference import Choice, Pair, Preference, from_reward
from guerdon.core.solver import Desk


def solver(work: Callable[[Desk], object]) -> Solver:
    class Free(Solver):
        name = "free"

        def solve(self, problem: Problem, desk: Desk) -> None:
            work(desk)

    return dataclass(frozen=True, kw_only=True)(Free)()


def kinds(told: Sequence[Any]) -> list[str]:
    faults = [getattr(item, "score", item).fault for item in told]
    return ["" if fault is None else fault.kind.value for fault in faults]


def test_a_finished_run_that_is_called_again_spends_nothing(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def work(desk: Desk) -> None:
        seen.append(kinds(desk.score([Answer("n0", i) for i in range(20)])))
        desk.score([Answer("n1", 0)])

    for budget, spent in ((10, 10), (10, 10), (12, 11)):
        done = run(solver(work), Guess(), ledger=tmp_path / "a.db", budget=budget)
        assert (done.status, done.spent["attempts"]) == ("done", spent)
    assert seen == [[""] * 10 + ["budget"] * 10] * 3
    assert done.reason == "the solver has finished"


def test_each_answer_has_its_own_score_where_the_budget_ends_between_groups(tmp_path: Path) -> None:
    told: list[Any] = []

    def work(desk: Desk) -> None:
        told[:] = desk.score([Answer(name, i) for i, name in enumerate(["n0", "n1", "n0", "n1"])])

    for _ in range(2):
        done = run(solver(work), Guess(), ledger=tmp_path / "a.db", budget=3, judge=Near().by_group(ranked))
        assert [item.answer.content for item in told] == [0, 1, 2, 3]
        assert kinds(told) == ["", "budget", "", "budget"]
        assert done.spent["attempts"] == 2


@pytest.mark.parametrize("pairs", [True, False])
def test_a_solver_that_never_looks_at_its_budget_comes_to_an_end(tmp_path: Path, pairs: bool) -> None:
    def work(desk: Desk) -> None:
        for _ in range(100):
            if pairs:
                desk.compare([(Answer("n0", 1), Answer("n0", 2))])
            else:
                desk.score([Answer("n0", i) for i in range(2)])
        raise AssertionError("it should have been stopped")

    judge: Any = from_reward(Near()) if pairs else Near().by_group(ranked)
    done = run(solver(work), Guess(), ledger=tmp_path / "a.db", budget=5, judge=judge)
    assert (done.status, done.spent["attempts"]) == ("done", 4)
    assert "less than a group" in done.reason


@dataclass(frozen=True)
class Counting(Preference):
    """Prefers what is nearer; a file gets a line for each pair."""

    log: str

    def choose(self, pairs: Sequence[Pair]) -> Sequence[Choice]:
        with Path(self.log).open("a", encoding="utf-8") as file:
            file.writelines(f"{pair.left.content} {pair.right.content}\n" for pair in pairs)
        return from_reward(Near())([*pairs])


def test_choices_are_asked_for_once_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge, told = Counting(str(tmp_path / "log")), list[list[str | None]]()

    def work(desk: Desk) -> None:
        for k in range(5):
            found = desk.compare([(Answer("n0", k), Answer("n0", k + 1)), (Answer("n1", -7), Answer("n1", k))])
            told.append([choice.outcome for choice in found])
            if len(told) == 3:
                raise KeyboardInterrupt
        assert desk.compare([]) == []

    with pytest.raises(KeyboardInterrupt):
        run(solver(work), Guess(), ledger=tmp_path / "a.db", judge=judge)
    reads: list[Any] = []
    with Ledger.open(tmp_path / "a.db") as book:
        read = book.choices

        def counted(name: str | None = None) -> Any:
            reads.append(name)
            return read(name)

        monkeypatch.setattr(book, "choices", counted)
        done = run(solver(work), Guess(), ledger=book, judge=judge)
        assert len(book.attempts(done.id)) == 20
        assert len(reads) == 1
        monkeypatch.undo()
        assert len(book.choices(done.id)) == 10
    assert told[3:] == [["right", "left"]] * 3 + [["left", "left"]] * 2
    assert told[:3] == told[3:6]
    assert len((tmp_path / "log").read_text().splitlines()) == 10


@pytest.mark.parametrize("sealing", ["aggregate", "sealed"])
def test_choices_on_a_split_that_is_not_open_are_recorded_and_not_told(tmp_path: Path, sealing: str) -> None:
    told: list[Choice] = []

    def work(desk: Desk) -> None:
        told.extend(desk.compare([(Answer("n0", 3), Answer("n0", 30))] * 3))

    done = run(solver(work), Guess(sealing=sealing), ledger=tmp_path / "a.db", judge=from_reward(Near()), budget=5)
    assert kinds(told) == ["hidden", "hidden", "budget"]
    assert {choice.outcome for choice in told} == {None}
    with Ledger.open(tmp_path / "a.db") as book:
        assert [row.choice.outcome for row in book.choices(done.id)] == ["left", "left"]
