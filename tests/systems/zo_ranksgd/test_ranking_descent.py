"""ZO-RankSGD against a plain reference, its rules one by one, and its resumption after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.run import run
from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind, Score
from guerdon.core.solver import Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.ledger import Ledger
from guerdon.systems.zo_ranksgd.challenge import RankedFunction
from guerdon.systems.zo_ranksgd.objective import quadratic
from guerdon.systems.zo_ranksgd.people import RankedByPeople
from guerdon.systems.zo_ranksgd.solver import Comparison, HumanLoop, Setting, Walk, ZoRankSgd, to_sphere
from guerdon.systems.zo_ranksgd.trial import hidden_value, walk


def problem_of(dim: int = 3, m: int = 4, k: int = 4, **more: Any) -> Problem:
    (task,) = RankedFunction(dim=dim, m=m, k=k, **more).tasks("main")
    return Problem("zo-ranksgd", (task,))


def answered(problem: Problem, answers: Any, beats: Any) -> list[Judged]:
    scores = [Score.failed(FaultKind.ABSENT) if b is None else Score(float(b)) for b in beats]
    return [Judged(problem.tasks[0], a, s, str(i)) for i, (a, s) in enumerate(zip(answers, scores, strict=True))]


def reference(start: Any, m: int, k: int, rounds: int, seed: int, mu: float, eta: float, l: int) -> np.ndarray:  # noqa: E741
    """Algorithms 1 and 2 written out edge by edge on the quadratic, with the streams of random numbers of a run."""
    x, step = np.zeros(len(start)), 0
    for _ in range(rounds):
        xi = stream(seed, "ask", step).standard_normal((m, len(x)))
        ranked = np.argsort(quadratic(start + x + mu * xi), kind="stable").tolist()
        g, edges = np.zeros(len(x)), 0
        for a, i in enumerate(ranked[:k]):
            for j in ranked[a + 1 :]:
                g, edges = g + xi[j] - xi[i], edges + 1
        g /= edges
        candidates = [x] + [x - eta * 0.5**i * g for i in range(l - 1)]
        x = min(candidates, key=lambda c: float(quadratic((start + c)[None, :])[0]))
        step += 2
    return x


@pytest.mark.parametrize(("m", "k"), [(2, 1), (6, 1), (6, 3), (6, 6)])
@pytest.mark.parametrize("form", ["closed", "edges"])
def test_it_is_the_algorithm_of_the_paper(m: int, k: int, form: Any) -> None:
    challenge = RankedFunction(dim=8, m=m, k=k, start_seed=3)
    solver = ZoRankSgd(halve_after=0, form=form)
    wanted = reference(np.array(challenge.start()), m, k, 10, 5, solver.mu, solver.eta, solver.search)
    found = walk(solver, challenge, seed=5, marks=[10 * (m + 5)])[10 * (m + 5)]
    assert found == pytest.approx(wanted, abs=1e-9)


def test_the_direction_agrees_with_the_gradient() -> None:
    challenge = RankedFunction(dim=30, m=12, k=4)
    start = np.array(challenge.start())
    cosines = []
    for seed in range(20):
        moved = walk(ZoRankSgd(search=0), challenge, seed=seed, marks=[12])[12]
        cosines.append(float(-moved @ start / np.linalg.norm(moved) / np.linalg.norm(start)))
    assert min(cosines) > 0
    assert np.mean(cosines) > 0.3


@pytest.mark.parametrize("function", ["quadratic", "rosenbrock"])
def test_it_descends_and_a_fuller_ranking_descends_further(function: str) -> None:
    losses = {}
    for k in (1, 15):
        challenge = RankedFunction(function=function, dim=40, k=k, start_seed=101)
        point = walk(ZoRankSgd(), challenge, seed=101, marks=[1500])[1500]
        start, end = (-float(v) for v in hidden_value(challenge, np.stack([np.zeros(40), point])))  # type: ignore[arg-type]
        assert end < start
        losses[k] = end
    assert losses[15] < {"quadratic": 0.2, "rosenbrock": 1.0}[function] * losses[1]


def test_ties_and_noise_are_survived() -> None:
    for fields in ({"noise": 0.3}, {"ties": "missing"}):
        challenge = RankedFunction(dim=20, **fields)  # type: ignore[arg-type]
        point = walk(ZoRankSgd(), challenge, seed=1, marks=[1500])[1500]
        before, after = hidden_value(challenge, np.stack([np.zeros(20), point]))
        assert after is not None
        assert before is not None
        assert after > 0.2 * before


# ── the rules, one by one ───────────────────────────────────────────────────────────────────────────────────────────


def stepped(solver: ZoRankSgd, state: Walk, problem: Problem, beats: Any, step: int = 0) -> tuple[Any, Walk]:
    answers = solver.ask(problem, state, stream(0, "ask", step))
    return answers, solver.tell(problem, state, answered(problem, answers, beats), stream(0, "tell", step))


def test_queries_say_what_they_ask_for() -> None:
    problem, solver = problem_of(), ZoRankSgd(search=3)
    state = solver.start(problem, stream(0))
    answers, state = stepped(solver, state, problem, [0, 1, 2, 3])
    assert [a.note["mode"] for a in answers] == ["rank"] * 4
    assert {a.group for a in answers} == {"find#0/rank"}
    assert "best" not in answers[0].note
    answers, state = stepped(solver, state, problem, [0, 2, 0])
    assert [(a.note["mode"], a.note["best"], a.note.get("held")) for a in answers] == [
        ("line", 1, True), ("line", 1, None), ("line", 1, None),
    ]  # fmt: skip
    assert {a.group for a in answers} == {"find#1/line"}
    assert answers[0].content == [0.0, 0.0, 0.0]
    assert state.point.tolist() == answers[1].content


def test_two_stays_in_a_row_halve_the_step_and_a_move_starts_the_count_anew() -> None:
    problem, solver = problem_of(), ZoRankSgd(search=3, eta=4.0)
    state = solver.start(problem, stream(0))
    etas = []
    for step, line in enumerate([[2, 0, 0], [0, 2, 0], [2, 0, 0], [2, 0, 0], [2, 0, 0], [2, 0, 0]]):
        _, state = stepped(solver, state, problem, [0, 1, 2, 3], 2 * step)
        _, state = stepped(solver, state, problem, line, 2 * step + 1)
        etas.append(state.eta)
    assert etas == [4.0, 4.0, 4.0, 2.0, 2.0, 1.0]
    never = ZoRankSgd(search=3, eta=4.0, halve_after=0)
    for step in range(6):
        _, state = stepped(never, state, problem, [[0, 1, 2, 3], [2, 0, 0]][step % 2], step)
    assert state.eta == 1.0


def test_what_was_not_ranked_moves_nothing() -> None:
    problem, solver = problem_of(), ZoRankSgd(search=3)
    state = solver.start(problem, stream(0))
    for beats in ([None] * 4, [0, 0, 0, 0], [None, 0, None, None]):
        _, after = stepped(solver, state, problem, beats)
        assert (after.searching, after.turn) == (0, 1)
        assert after.point.tolist() == state.point.tolist()
    _, aimed = stepped(solver, state, problem, [None, 1, 0, None])
    assert aimed.searching == 1
    _, after = stepped(solver, aimed, problem, [None] * 3)
    assert (after.searching, after.stays) == (0, 0)


def test_a_tie_that_the_incumbent_is_in_stays() -> None:
    problem, solver = problem_of(), ZoRankSgd(search=3)
    _, aimed = stepped(solver, solver.start(problem, stream(0)), problem, [0, 1, 2, 3])
    _, after = stepped(solver, aimed, problem, [1, 1, 0])
    assert after.stays == 1


def test_schedules() -> None:
    problem = problem_of()
    for schedule, factors in (("constant", [1.0, 1.0, 1.0, 1.0]), ("root", [1.0, 2**-0.5, 3**-0.5, 0.5])):
        solver = ZoRankSgd(search=0, schedule=schedule, eta=3.0)  # type: ignore[arg-type]
        state = solver.start(problem, stream(0))
        for step, factor in enumerate(factors):
            _, after = stepped(solver, state, problem, [0, 1, 2, 3], step)
            assert after.point == pytest.approx(state.point - 3.0 * factor * after.direction)
            state = after


def test_candidates_are_kept_on_the_sphere() -> None:
    problem = problem_of(dim=5, hidden=False)
    radius = np.linalg.norm(Setting.of(problem).start)
    for solver in (ZoRankSgd(sphere=True, search=4), HumanLoop(sphere=True), ZoRankSgd(sphere=True, search=0)):
        state = solver.start(problem, stream(0))
        for step in range(6):
            line = bool(state.searching)
            beats = [0, 2, 0, 0] if line else [0, 1, 2, 3]
            answers, state = stepped(solver, state, problem, beats, step)
            assert np.linalg.norm(state.point) == pytest.approx(radius)
            if line:
                assert [np.linalg.norm(a.content) for a in answers] == pytest.approx([radius] * 4)
    with pytest.raises(ConfigError, match="sphere"):
        ZoRankSgd(sphere=True).start(problem_of(), stream(0))
    assert to_sphere(np.zeros((1, 2)), 3.0).tolist() == [[0.0, 0.0]]


def test_people_keep_incumbents_in_the_race_and_directions_are_averaged_until_one_helps() -> None:
    problem, solver = problem_of(m=5, k=2), HumanLoop(mu=0.5, eta=2.0)
    state = solver.start(problem, stream(0))
    answers, state = stepped(solver, state, problem, [0, 4, 3, 0, 0], 0)
    best, first = np.array(answers[1].content), state.direction
    line, stayed = stepped(solver, state, problem, [0, 0, 0, 0, 4], 1)
    points = np.array([a.content for a in line])
    assert points == pytest.approx(
        np.stack([*(state.point - 2.0 * 0.5 * 0.5**i * first for i in range(3)), best, state.point])
    )
    assert [a.note.get("held") for a in line] == [None] * 4 + [True]
    assert stayed.point.tolist() == state.point.tolist()
    answers, again = stepped(solver, stayed, problem, [4, 3, 0, 0, 0], 2)
    xi = (np.array([a.content for a in answers]) - stayed.point) / solver.mu
    # (m, k) = (5, 2): 7 edges; weights (m − 1) − 2r for the ranked, −k for the rest, which sum to 0.
    second = -(np.array([4.0, 2.0, -2.0, -2.0, -2.0]) @ xi) / 7
    assert again.direction == pytest.approx((first + second) / 2)
    assert again.rounds == 2
    line, moved = stepped(solver, again, problem, [0, 0, 0, 4, 0], 3)  # the best perturbation wins
    assert moved.point.tolist() == line[3].content
    assert (moved.rounds, moved.stays) == (0, 0)
    assert not moved.direction.any()
    _, fresh = stepped(solver, moved, problem, [4, 3, 0, 0, 0], 4)
    assert fresh.rounds == 1
    with pytest.raises(ConfigError, match="3 points"):
        solver.ask(problem_of(m=2, k=2), solver.start(problem_of(m=2, k=2), stream(0)), stream(0))


def test_a_person_s_stand_in_gets_what_it_has_in_mind(tmp_path: Path) -> None:
    (tmp_path / "mind.py").write_text(
        "def teal(shown):\n"
        "    rgb = [int(shown.splitlines()[-1][i:i + 2], 16) for i in (1, 3, 5)]\n"
        "    return -sum((a - b) ** 2 for a, b in zip(rgb, (20, 150, 140))) ** 0.5\n"
    )
    from guerdon.core.task import Case
    from guerdon.systems.zo_ranksgd.people import Liked, Rendered

    challenge = RankedByPeople(by=f"{tmp_path}/mind.py:teal")
    point = walk(HumanLoop(), challenge, seed=0, marks=[90])[90]
    liked = Liked(Rendered("colour", 3), challenge.by)
    cases = [Case(Task("find"), Answer("find", each)) for each in ([0.0] * 3, point.tolist())]
    before, after = (score.value for score in liked(cases))
    assert before < -100
    assert after > -25


def test_comparison_asks_for_pairs() -> None:
    problem, solver = problem_of(), Comparison()
    state = solver.start(problem, stream(0))
    assert len(solver.ask(problem, state, stream(0))) == 2
    challenge = RankedFunction(dim=20)
    point = walk(solver, challenge, seed=0, marks=[1000])[1000]
    before, after = hidden_value(challenge, np.stack([np.zeros(20), point]))
    assert after > before


@pytest.mark.parametrize(
    "fields", [{"mu": 0.0}, {"eta": -1.0}, {"eta": float("nan")}, {"search": 1}, {"search": -1}, {"halve_after": -1}]
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ZoRankSgd(**fields)


def test_other_problems_are_refused() -> None:
    with pytest.raises(SolverError, match="start, m, k and tell"):
        ZoRankSgd().start(Problem("other", (Task("t"),)), stream(0))


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    problem, solver = problem_of(), ZoRankSgd()
    _, state = stepped(solver, solver.start(problem, stream(0)), problem, [0, 1, 2, 3])
    solver.save(state, tmp_path)
    back = solver.load(tmp_path)
    for name in Walk.__dataclass_fields__:
        assert np.array_equal(getattr(state, name), getattr(back, name)), name
    assert solver.progress(back) == solver.progress(state)


KILLED = """
import sys
from guerdon.bench.run import run
from guerdon.systems.zo_ranksgd.challenge import RankedFunction
from guerdon.systems.zo_ranksgd.solver import ZoRankSgd
print("go", flush=True)
run(ZoRankSgd(), RankedFunction(dim=30, noise=0.1), ledger=sys.argv[1], budget=3000, checkpoint_s=0.05)
"""


def test_killed_at_any_moment_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    for seconds in (0.3, 0.6):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    challenge = RankedFunction(dim=30, noise=0.1)
    done = run(ZoRankSgd(), challenge, ledger=path, budget=3000)
    whole = run(ZoRankSgd(), challenge, ledger=tmp_path / "whole.db", budget=3000)
    with Ledger.open(path) as one, Ledger.open(tmp_path / "whole.db") as two:
        rows = [
            [(a.answer.content, v.score.value) for a, v in book.judged(r.id)] for book, r in ((one, done), (two, whole))
        ]
    assert rows[0] == rows[1]
    assert len(rows[0]) > 2900
