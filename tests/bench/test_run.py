import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from bench_helpers import Bisect, Climber, Guess, Near, history

from guerdon import (
    Answer,
    BudgetError,
    ChallengeError,
    ConfigError,
    Judged,
    Ledger,
    LedgerError,
    ProviderError,
    Solver,
    SolverError,
    run,
)
from guerdon.bench.rejudge import rejudge
from guerdon.core.algebra import ranked


def ledger(path: Path, name: str = "a.db") -> Ledger:
    return Ledger.open(path / name)


def test_a_learner_works_until_its_budget(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        done = run(Climber(), Guess(), ledger=book, budget=100)
        assert (done.status, done.spent["attempts"], done.spent["tokens"]) == ("done", 100, 200)
        assert len(book.judged(done.id)) == 100
        assert all(verdict is not None for _, verdict in book.judged(done.id))


def test_the_same_seed_gives_the_same_history_and_another_another(tmp_path: Path) -> None:
    with ledger(tmp_path, "a.db") as one, ledger(tmp_path, "b.db") as two:
        runs = [
            run(Climber(faulty=0.2), Guess(), ledger=book, budget=60, seed=seed)
            for book in (one, two)
            for seed in (0, 1)
        ]
        assert history(one, runs[0].id) == history(two, runs[2].id)
        assert history(one, runs[0].id) != history(one, runs[1].id)


def test_running_again_changes_nothing_and_a_larger_budget_goes_on(tmp_path: Path) -> None:
    with ledger(tmp_path, "a.db") as book, ledger(tmp_path, "b.db") as other:
        first = run(Climber(), Guess(), ledger=book, budget=48)
        before = history(book, first.id)
        assert run(Climber(), Guess(), ledger=book, budget=48).id == first.id
        assert history(book, first.id) == before
        run(Climber(), Guess(), ledger=book, budget=96)
        whole = run(Climber(), Guess(), ledger=other, budget=96)
        assert history(book, first.id) == history(other, whole.id)


def test_fresh_runs_stand_beside_the_old(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        names = {run(Climber(), Guess(), ledger=book, budget=12, resume=resume).id for resume in (True, False, False)}
        assert len(names) == len(book.runs()) == 3


def test_an_imperative_solver_is_answered_from_the_ledger(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        first = run(Bisect(), Guess(), ledger=book, budget=7)
        assert first.spent["attempts"] == 7
        second = run(Bisect(), Guess(), ledger=book, budget=100)
        with ledger(tmp_path, "b.db") as other:
            whole = run(Bisect(), Guess(), ledger=other, budget=100)
            best = {a.answer.task: v.score.value for a, v in other.judged(whole.id) if v}
        assert {a.answer.task: v.score.value for a, v in book.judged(second.id) if v} == best
        assert set(best.values()) == {1.0}


def desk_solver(body: Any) -> Solver:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Inline(Solver):
        name = "inline"

        def solve(self, problem: Any, desk: Any) -> None:
            body(problem, desk)

    return Inline()


def test_answers_over_the_budget_are_faults_once_then_refused(tmp_path: Path) -> None:
    seen: list[Any] = []

    def body(problem: Any, desk: Any) -> None:
        seen.append(desk.score([Answer("n0", i) for i in range(5)]))
        with pytest.raises(BudgetError):
            desk.score([Answer("n0", 9)])

    with ledger(tmp_path) as book:
        done = run(desk_solver(body), Guess(), ledger=book, budget=3)
        assert done.spent["attempts"] == 3
    kinds = [item.score.fault and item.score.fault.kind for item in seen[0]]
    assert kinds == [None, None, None, "budget", "budget"]


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        ([Answer("n9", 1)], "names a task"),
        (["text"], "item 0 is a str"),
        ([Answer("n0", float("nan"))], "content is nan"),
        ([Answer("n0", {1, 2})], "content is a set"),  # type: ignore[arg-type]
        ([Answer("n0", 1, note={"x": object()})], "note.x"),  # type: ignore[dict-item]
        (7, "sequence of answers"),
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_recorded(tmp_path: Path, answers: Any, match: str) -> None:
    with ledger(tmp_path) as book:
        with pytest.raises(SolverError, match=match):
            run(desk_solver(lambda problem, desk: desk.score(answers)), Guess(), ledger=book, budget=3)
        (row,) = book.runs()
        assert (row.status, book.attempts(row.id)) == ("failed", [])


@pytest.mark.parametrize("where", ["start", "ask", "tell", "progress"])
def test_a_raising_solver_is_named_and_the_ledger_goes_on(tmp_path: Path, where: str) -> None:
    def boom(*_: Any) -> Any:
        raise ZeroDivisionError("boom")

    broken = type("Climber", (Climber,), {where: boom})()
    with ledger(tmp_path) as book:
        with pytest.raises(SolverError, match=rf"climber\.{where} works: ZeroDivisionError: boom"):
            run(broken, Guess(), ledger=book, budget=24)
        assert book.runs()[0].status == "failed"


def test_a_state_that_cannot_be_saved_is_said_so(tmp_path: Path) -> None:
    odd = type("Climber", (Climber,), {"tell": lambda *_: {"state": object()}})()
    with ledger(tmp_path) as book, pytest.raises(SolverError, match="plain data"):
        run(odd, Guess(), ledger=book, budget=24, checkpoint_s=0)


def test_host_faults_in_a_row_halt_the_run_and_solver_faults_do_not(tmp_path: Path) -> None:
    def asking(content: Any) -> Any:
        ask = lambda *_: [Answer("n0", content)] * 10  # noqa: E731
        return type("Climber", (Climber,), {"ask": ask})()

    with ledger(tmp_path) as book:
        with pytest.raises(ProviderError, match="in a row"):
            run(asking("host"), Guess(), ledger=book, budget=1000, halt_after=30)
        assert book.spent(book.runs()[0].id)["attempts"] == 30
        assert run(asking("bad"), Guess(), ledger=book, budget=200, halt_after=30, seed=1).status == "done"


def test_an_aggregate_split_tells_one_rounded_mean_and_no_scores(tmp_path: Path) -> None:
    shown: list[Judged] = []

    def tell(self: Any, problem: Any, state: Any, judged: Any, rng: Any) -> Any:
        shown.extend(judged)
        return state

    watching = type("Climber", (Climber,), {"tell": tell})(faulty=0.3)
    for sealing in ("aggregate", "sealed"):
        shown.clear()
        with ledger(tmp_path) as book:
            run(watching, Guess(sealing=sealing), ledger=book, budget=24)
        assert all(item.score.value is None for item in shown)
        assert all(not item.score.fault.detail for item in shown if item.score.fault)
        parts = {key for item in shown for key in item.score.parts}
        assert parts == ({"aggregate"} if sealing == "aggregate" else set())
        kinds = {item.score.fault.kind for item in shown if item.score.fault}
        assert kinds == ({"hidden", "invalid"} if sealing == "aggregate" else {"hidden"})


def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    with ledger(tmp_path) as book, ledger(tmp_path) as second:
        first = run(Climber(), Guess(), ledger=book, budget=12)
        with book.lock(first.id), pytest.raises(LedgerError):
            run(Climber(), Guess(), ledger=second, budget=24)


def test_unknown_splits_and_empty_challenges_are_refused(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        with pytest.raises(ChallengeError, match="Did you mean main"):
            run(Climber(), Guess(), ledger=book, split="mian")
        with pytest.raises(ChallengeError, match="it has none"):
            run(Climber(), Guess(numbers=()), ledger=book)
        with pytest.raises(ConfigError, match="inline"):
            run(Climber(), Guess(), ledger=book, workers="threads:3")


@pytest.mark.parametrize("reason", ["first", "the host was mended", "", 'ünïcode "quoted"'])
def test_attempts_are_judged_again_as_often_as_one_asks(tmp_path: Path, reason: str) -> None:
    with ledger(tmp_path) as book:
        done = run(Climber(), Guess(), ledger=book, budget=12)
        for turn in (2, 3, 4):
            assert rejudge(book, done.id, Guess(), which="all", reason=reason) == 12
            told = book.verdicts(done.id, all=True)
            assert len(told) == 12 * turn
            assert len({(verdict.attempt, verdict.reason) for verdict in told}) == 12 * turn
        assert all(verdict.reason.startswith(reason) for verdict in told[12:])


def test_another_judge_is_another_run(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        one = run(Climber(), Guess(), ledger=book, budget=12)
        two = run(Climber(), Guess(), ledger=book, budget=12, judge=0.5 * Near())
        assert one.id != two.id


CRASHING = """
import os, signal, sys
sys.path.insert(0, {here!r})
from bench_helpers import Bisect, Climber, Guess, history
from guerdon import Ledger, run
from guerdon.bench.bench import Bench
from guerdon.core import faultpoint
Bench.QUICK_S = {quick}

def work(path, kill_at=None):
    count = 0
    def hook(name):
        nonlocal count
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
    faultpoint.hook = hook
    with Ledger.open(path) as book:
        done = run({solver}, Guess(), ledger=book, budget=50, checkpoint_s={checkpoint_s})
        return history(book, done.id), count

folder = sys.argv[1]
expected, points = work(folder + "/whole.db")
assert points > 12, points
for point in range(points):
    path = f"{{folder}}/{{point}}.db"
    child = os.fork()
    if child == 0:
        work(path, point)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, (point, status)
    got, _ = work(path)
    assert got == expected, f"killed at point {{point}}: the history differs"
print("points", points)
"""


@pytest.mark.parametrize("quick", [0.0, 1e9], ids=["as it comes", "whole steps"])
@pytest.mark.parametrize(
    ("solver", "checkpoint_s"), [("Climber(faulty=0.2)", 0.0), ("Climber(faulty=0.2)", 1e9), ("Bisect()", 0.0)]
)
def test_killed_at_any_write_point_it_resumes_to_the_same_ledger(
    tmp_path: Path, solver: str, checkpoint_s: float, quick: float
) -> None:
    here = str(Path(__file__).parent)
    script = textwrap.dedent(CRASHING).format(here=here, solver=solver, checkpoint_s=checkpoint_s, quick=quick)
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "points" in done.stdout


@pytest.mark.parametrize("signals", [1, 2])
def test_an_interrupt_finishes_the_batch_and_a_second_leaves_now(tmp_path: Path, signals: int) -> None:
    def tell(self: Any, problem: Any, state: Any, judged: Any, rng: Any) -> Any:
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGINT)
        return Climber.tell(self, problem, state, judged, rng)

    eager = type("Climber", (Climber,), {"tell": tell})()
    with ledger(tmp_path) as book:
        if signals == 1:
            done = run(eager, Guess(), ledger=book, budget=500)
            assert (done.status, done.spent["attempts"]) == ("interrupted", 12)
        else:
            with pytest.raises(KeyboardInterrupt):
                run(eager, Guess(), ledger=book, budget=500)
            assert book.runs()[0].status == "interrupted"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_spoiled_checkpoints_are_passed_over(tmp_path: Path) -> None:
    with ledger(tmp_path, "a.db") as book, ledger(tmp_path, "b.db") as other:
        first = run(Climber(), Guess(), ledger=book, budget=60, checkpoint_s=0)
        folder = book.folder / "checkpoints" / first.id
        kept = sorted(folder.iterdir())
        assert len(kept) == 2
        (kept[-1] / "state.json").write_text('{"best": {}, "told": 0}')
        (kept[-2] / "SEAL").write_text("{")
        run(Climber(), Guess(), ledger=book, budget=120, checkpoint_s=0)
        run(Climber(), Guess(), ledger=other, budget=120)
        assert history(book, first.id) == history(other, first.id)


def test_a_budget_smaller_than_a_group_is_named_as_the_reason(tmp_path: Path) -> None:
    done = run(Climber(), Guess(), ledger=tmp_path / "l.db", budget=3, judge=Near().by_group(ranked))
    assert "less than a group" in done.reason
