from dataclasses import dataclass

import numpy as np
import pytest

from guerdon import Challenge, Ledger, Score, Task, reward, run
from guerdon.bench.loading import GENERIC, resolve, solver_class
from guerdon.core.errors import ConfigError
from guerdon.core.solver import Learner
from guerdon.search import CmaEs, Space
from guerdon.search.solvers import CmaSearch, Evolution, HillClimb, UniformSearch
from guerdon.testing.solver import SolverContract

CENTRE = np.array([0.3, -0.6, 0.9, 0.1])


@reward(range=(-100.0, 0.0))
def near(answer, space):
    if wrong := Space(tuple(space["shape"]), space["low"], space["high"], space["whole"]).wrong(answer):
        return Score.failed("invalid", wrong)
    point = np.array(answer).ravel()
    return -float(np.square(point - np.resize(CENTRE, len(point))).sum())


@reward(range=(0.0, 20.0))
def ones(answer):
    return float(sum(answer))


@reward(range=(0.0, 1.0))
def picky(answer):
    """Nothing can be judged but the upper half."""
    return Score(answer[0]) if answer[0] > 0.5 else Score.failed("invalid", "above a half; below", "solver")


@reward(range=(0.0, 1.0))
def never(answer):
    return Score.failed("provider", "always gone")


@dataclass(frozen=True, kw_only=True)
class Place(Challenge):
    """Two tasks: a list and a list of lists."""

    name = "place"
    judge = near

    def tasks(self, split):
        spaces = {"flat": Space((3,), -1.0, 1.0), "nested": Space((2, 2), -1.0, 1.0)}
        return [Task(name, {"space": space.plain()}) for name, space in spaces.items()]


@dataclass(frozen=True, kw_only=True)
class Bits(Challenge):
    name = "bits"
    judge = ones

    def tasks(self, split):
        return [Task("bits", {"space": Space((20,), 0, 1, whole=True).plain()})]


@dataclass(frozen=True, kw_only=True)
class Picky(Challenge):
    name = "picky"
    judge = picky

    def tasks(self, split):
        return [Task("picky", {"space": Space((2,)).plain()})]


@dataclass(frozen=True, kw_only=True)
class Never(Picky):
    name = "never"
    judge = never


SOLVERS = [UniformSearch(), HillClimb(), Evolution(), CmaSearch()]
BY_NAME = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)


@pytest.fixture(autouse=True)
def _extra(request):
    if "CmaSearch" in request.node.nodeid or "cma-es" in request.node.nodeid:
        pytest.importorskip("cma", reason='needs pip install "guerdon[search]"')


class _Contract(SolverContract):
    budget = 200

    @pytest.fixture
    def challenge(self):
        return Place()


class TestUniformSearch(_Contract):
    @pytest.fixture
    def solver(self):
        return UniformSearch(batch=3)


class TestHillClimb(_Contract):
    @pytest.fixture
    def solver(self):
        return HillClimb(smallest=0.05)  # several climbs within the budget


class TestEvolution(_Contract):
    @pytest.fixture
    def solver(self):
        return Evolution(mu=3, offspring=9, stale=3)


class TestCmaSearch(_Contract):
    @pytest.fixture
    def solver(self):
        return CmaSearch(stale=3)


def best(solver, challenge, tmp_path, budget, **options):
    """The best value of each task."""
    found = {}
    with Ledger.open(tmp_path / "a.db") as book:
        done = run(solver, challenge, ledger=book, budget=budget, **options)
        for attempt, verdict in book.judged(done.id):
            if verdict.score.known:
                found[attempt.answer.task] = max(verdict.score.value, found.get(attempt.answer.task, -np.inf))
    return list(found.values())


@pytest.mark.parametrize(
    ("solver", "error"),
    [(HillClimb(), 1e-6), (Evolution(), 1e-6), (CmaSearch(), 1e-9), (UniformSearch(), 0.3)],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_nearest_point_is_found(solver, error, tmp_path):
    values = best(solver, Place(), tmp_path, 2500)
    assert len(values) == 2
    assert min(values) > -error


@pytest.mark.parametrize("solver", [Evolution(), CmaSearch()], ids=lambda solver: solver.name)
def test_whole_numbers_are_climbed_where_chance_would_fail(solver, tmp_path):
    """20 of 20 ones has a chance of 1500 / 2^20 by drawing."""
    assert best(solver, Bits(), tmp_path, 1500) == [20.0]


@BY_NAME
def test_faults_are_passed_over(solver, tmp_path):
    (value,) = best(solver, Picky(), tmp_path, 300)
    assert value > 0.9


@BY_NAME
def test_nothing_known_is_no_end(solver, tmp_path):
    with Ledger.open(tmp_path / "a.db") as book:
        done = run(solver, Never(), ledger=book, budget=60)
        rows = [answer.answer.content for answer, _ in book.judged(done.id)]
    assert len(rows) == 60
    assert len({str(row) for row in rows}) == 60


def test_killing_between_any_two_steps_changes_nothing(tmp_path):
    """Budgets that end after a step, on one ledger, against one go: steps are of 2, 70 and 15 answers."""
    pytest.importorskip("cma", reason='needs pip install "guerdon[search]"')
    for solver in SOLVERS[1:]:
        histories = []
        for name, budgets in (("whole", (420,)), ("parts", (210, 420))):
            with Ledger.open(tmp_path / f"{solver.name}-{name}.db") as book:
                for budget in budgets:
                    done = run(solver, Place(), ledger=book, budget=budget, seed=5)
                histories.append([(a.answer.task, a.answer.digest) for a, _ in book.judged(done.id)])
        assert histories[0] == histories[1], solver.name


def test_offspring_name_their_parents(tmp_path):
    with Ledger.open(tmp_path / "a.db") as book:
        done = run(Evolution(mu=2, offspring=5, cross=1.0), Bits(), ledger=book, budget=50)
        rows = [attempt for attempt, _ in book.judged(done.id)]
    ids = {attempt.id: attempt.step for attempt in rows}
    later = [attempt for attempt in rows if attempt.step > 0]
    assert all(attempt.answer.parents for attempt in later)
    assert all(ids[parent] < attempt.step for attempt in later for parent in attempt.answer.parents)
    assert any(len(attempt.answer.parents) == 2 for attempt in later)


def test_a_climb_starts_anew_where_its_steps_are_tiny():
    solver, rng = HillClimb(smallest=0.19), np.random.default_rng(0)
    problem = _problem(Bits())
    state = solver.start(problem, rng)
    climb = {**state["bits"], "score": 7.0, "best": 9.0}
    after = solver.tell(problem, {"bits": climb}, _judged(problem, [0] * 20, 3.0), rng)["bits"]
    assert (after["score"], after["size"], after["best"]) == (None, 0.2, 9.0)
    assert after["point"] != climb["point"]


def test_a_stale_population_is_given_up_and_its_best_remembered():
    solver, rng = Evolution(mu=1, offspring=1, stale=2), np.random.default_rng(0)
    problem = _problem(Bits())
    state = solver.start(problem, rng)
    sizes = []
    for value in (5.0, 4.0, 4.0):
        state = solver.tell(problem, state, _judged(problem, [0] * 19 + [1], value, step=0.2), rng)
        sizes.append(len(state["bits"]["members"]))
    assert sizes == [1, 1, 0]
    assert solver.progress(state) == {"mean best": 5.0}


def test_populations_grow_from_restart_to_restart():
    pytest.importorskip("cma", reason='needs pip install "guerdon[search]"')
    solver, rng = CmaSearch(population=4, stale=1, largest=10), np.random.default_rng(0)
    problem = _problem(Never())
    state, sizes = solver.start(problem, rng), []
    for _ in range(4):
        answers = solver.ask(problem, state, rng)
        sizes.append(len(answers))
        assert solver.ask(problem, state, rng) == answers  # asking changes nothing
        judged = [_one(problem, answer.content, None, answer.note) for answer in answers]
        twice = [solver.tell(problem, state, judged, rng) for _ in range(2)]
        assert twice[0].tasks["picky"].plain() == twice[1].tasks["picky"].plain()
        state = twice[0]
    assert sizes == [4, 8, 10, 10]


def test_a_copy_of_cma_es_goes_its_own_way(tmp_path):
    pytest.importorskip("cma", reason='needs pip install "guerdon[search]"')
    first, rng = CmaEs([0.5, 0.5, 0.5], sigma=0.2), np.random.default_rng(0)
    for _ in range(3):
        points = first.ask(rng)
        first.tell(points, -np.square(points).sum(axis=1))
    mean = first.mean
    second = first.copy()
    points = second.ask(np.random.default_rng(1))
    second.tell(points, points[:, 0])
    assert np.array_equal(first.mean, mean)
    assert not np.array_equal(second.mean, mean)
    second.save(tmp_path)
    assert np.array_equal(CmaEs.load(tmp_path).mean, second.mean)
    assert np.array_equal(first.ask(np.random.default_rng(1)), points)


def _problem(challenge):
    from guerdon.core.solver import Problem

    return Problem(challenge.name, tuple(challenge.tasks("main")))


def _one(problem, content, value, note):
    from guerdon.core.task import Answer, Judged

    (task,) = problem.tasks
    score = Score.failed("invalid", "a; b") if value is None else Score(value)
    return Judged(task, Answer(task.id, content, note=note), score, "attempt")


def _judged(problem, content, value, **note):
    return [_one(problem, content, value, note)]


def test_plain_words_name_them_and_a_system_s_own_come_first():
    for name, place in GENERIC.items():
        kind = resolve(place)
        assert issubclass(kind, Learner)
        assert kind.name == name
        assert solver_class(name) is kind
    assert solver_class("enumerative", "programming-puzzles").name == "enumerative"


def test_fields_that_make_no_solver():
    for bad in (
        lambda: UniformSearch(batch=0),
        lambda: HillClimb(sigma=0.0),
        lambda: HillClimb(up=-1.0),
        lambda: HillClimb(smallest=1.0),
        lambda: Evolution(mu=0),
        lambda: Evolution(sigma=float("nan")),
        lambda: Evolution(stale=-1),
        lambda: CmaSearch(grow=0.5),
        lambda: CmaSearch(smallest=1.0),
    ):
        with pytest.raises(ConfigError):
            bad()
