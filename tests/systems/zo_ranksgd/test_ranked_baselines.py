"""Baselines on the same challenge: each descends, counts every point, and comes back from its saved state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.run import run
from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.core.solver import Problem
from guerdon.core.task import Judged
from guerdon.ledger import Ledger
from guerdon.systems.zo_ranksgd.baselines import Cma, Gld, Random, ZoSgd
from guerdon.systems.zo_ranksgd.challenge import RankedFunction
from guerdon.systems.zo_ranksgd.trial import hidden_value, walk

pytest.importorskip("cma")
CASES = [
    (ZoSgd(), "values"), (Gld(radius=3.0), "values"), (Gld(radius=3.0), "order"), (Cma(), "values"), (Cma(), "order"),
    (Random(sigma=0.3), "values"), (Random(sigma=0.3), "order"),
]  # fmt: skip
IDS = [f"{solver.name}-{tell}" for solver, tell in CASES]


def challenge_of(tell: Any, dim: int = 10) -> RankedFunction:
    return RankedFunction(dim=dim, tell=tell, m=8, k=8, start_seed=2)


@pytest.mark.parametrize(("solver", "tell"), CASES, ids=IDS)
def test_each_descends_within_its_queries(solver: Any, tell: str) -> None:
    challenge = challenge_of(tell)
    seen: list[Any] = []
    point = walk(solver, challenge, seed=1, marks=[600], seen=seen)[600]
    before, after = hidden_value(challenge, np.stack([np.zeros(10), point]))
    assert after > before  # type: ignore[operator]
    if solver.name != "random":
        assert after > 0.1 * before  # type: ignore[operator]
    assert 600 - 20 < len(seen) <= 600


@pytest.mark.parametrize(("solver", "tell"), CASES, ids=IDS)
def test_a_saved_state_goes_on_as_the_first_would_have(solver: Any, tell: str, tmp_path: Path) -> None:
    challenge = challenge_of(tell)
    tasks = tuple(challenge.tasks("main"))
    problem, (key,) = Problem("zo-ranksgd", tasks), challenge.keys(tasks)
    from guerdon.core.task import Case

    def stepped(state: Any, step: int) -> Any:
        answers = solver.ask(problem, state, stream(3, "ask", step))
        again = solver.ask(problem, state, stream(3, "ask", step))
        assert [a.content for a in answers] == [a.content for a in again]  # asking changes nothing
        scores = challenge.judge([Case(tasks[0], a, key) for a in answers])
        judged = [Judged(tasks[0], a, s, str(i)) for i, (a, s) in enumerate(zip(answers, scores))]
        return solver.tell(problem, state, judged, stream(3, "tell", step))

    state = solver.start(problem, stream(3))
    for step in range(5):
        state = stepped(state, step)
    solver.save(state, tmp_path)
    back = solver.load(tmp_path)
    for step in range(5, 10):
        state, back = stepped(state, step), stepped(back, step)
    assert np.array_equal(solver.point(state), solver.point(back))


@pytest.mark.parametrize(("solver", "tell"), CASES, ids=IDS)
def test_runs_in_the_ledger_end_where_trials_do_and_go_on_where_they_stopped(
    solver: Any, tell: str, tmp_path: Path
) -> None:
    challenge = challenge_of(tell)
    run(solver, challenge, ledger=tmp_path / "g.db", budget=100, seed=4)
    done = run(solver, challenge, ledger=tmp_path / "g.db", budget=200, seed=4)
    seen: list[Any] = []
    walk(solver, challenge, seed=4, marks=[200], seen=seen)
    with Ledger.open(tmp_path / "g.db") as book:
        rows = [attempt.answer.content for attempt, _ in book.judged(done.id)]
    shared = min(len(rows), len(seen))
    assert shared > 170
    if tell == "order":  # where answers are judged one by one, the first budget cuts a query short
        assert rows[:shared] == seen[:shared]


def test_values_are_needed_where_they_are_used() -> None:
    challenge = challenge_of("order")
    problem = Problem("zo-ranksgd", tuple(challenge.tasks("main")))
    with pytest.raises(ConfigError, match="--tell values"):
        ZoSgd().start(problem, stream(0))
    with pytest.raises(ConfigError):
        ZoSgd(eta=0.0)


def test_a_generation_fits_the_oracle() -> None:
    for tell, size in (("order", 8), ("values", 10)):
        challenge = challenge_of(tell)
        problem = Problem("zo-ranksgd", tuple(challenge.tasks("main")))
        solver = Cma()
        assert len(solver.ask(problem, solver.start(problem, stream(0)), stream(0))) == size


def test_it_forgets_nothing_when_it_has_to_rebuild() -> None:
    challenge = challenge_of("values")
    one, two = Cma(), Cma()
    found = walk(one, challenge, seed=1, marks=[300])[300]

    class Forgetful(dict):  # type: ignore[type-arg]
        def __setitem__(self, name: str, value: Any) -> None:
            """Keep nothing."""

    object.__setattr__(two, "_live", Forgetful())
    assert walk(two, challenge, seed=1, marks=[300])[300] == pytest.approx(found, abs=0)


def test_gld_fast_wins_with_many_queries() -> None:
    challenge = RankedFunction(dim=10, tell="values")
    point = walk(Gld(radius=1.0, condition=1.0), challenge, seed=0, marks=[5000])[5000]
    assert hidden_value(challenge, point[None, :])[0] > -1e-4  # type: ignore[operator]
