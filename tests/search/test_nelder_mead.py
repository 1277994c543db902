import numpy as np
import pytest
from scipy.optimize import minimize, rosen

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search.nelder_mead import NelderMead, Simplex
from guerdon.search.saving import load_state, save_state


def searched(search, state, function, evaluations):
    """The best point and score after so many evaluations, and all that was asked."""
    asked = []
    while len(asked) < evaluations:
        points = search.ask(state)
        asked += list(points)
        state = search.tell(state, points, [-function(point) for point in points])
    return state, np.array(asked)


def bumpy(x):
    return float(np.sum((x - 0.4) ** 2) + 0.1 * np.sum(np.cos(9 * x)))


@pytest.mark.parametrize("function", [rosen, bumpy])
@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_asks_for_the_points_that_scipy_evaluates(function, dim):
    rng = np.random.default_rng(dim)
    simplex = rng.normal(size=(dim + 1, dim))
    seen = []

    def watched(x):
        seen.append(np.array(x))
        return float(function(x)) if dim > 1 or function is bumpy else float((x[0] - 1) ** 2)

    minimize(watched, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 150})
    reference = seen[:]
    search = NelderMead()
    _, asked = searched(search, search.start(simplex), watched, min(len(reference), 120))
    np.testing.assert_allclose(asked[:120], reference[: len(asked[:120])], rtol=1e-9, atol=1e-12)


def test_finds_the_optimum_of_rosenbrocks_function():
    search = NelderMead()
    state, _ = searched(search, search.start([[-1.2, 1.0], [0.0, 1.0], [-1.2, 0.0]]), rosen, 300)
    np.testing.assert_allclose(state.points[0], 1.0, atol=1e-3)
    assert search.spread(state) < 1e-6


def test_an_unknown_score_never_wins():
    search = NelderMead()
    state = search.start([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert search.spread(state) == np.inf
    state = search.tell(state, search.ask(state), [1.0, None, float("nan")])
    assert state.points[0].tolist() == [0.0, 0.0]
    for _ in range(20):
        points = search.ask(state)
        state = search.tell(state, points, [float("nan")] * len(points))
    assert state.points[0].tolist() == [0.0, 0.0]
    assert state.scores[0] == 1.0


def test_saved_between_any_two_questions_it_goes_on_the_same(tmp_path):
    search = NelderMead()
    straight = saved = search.start([[-1.2, 1.0], [0.0, 1.0], [-1.2, 0.0]])
    for _ in range(40):
        points = search.ask(straight)
        straight = search.tell(straight, points, [-rosen(point) for point in points])
        save_state(saved, tmp_path)
        saved = load_state(Simplex, tmp_path)
        points = search.ask(saved)
        saved = search.tell(saved, points, [-rosen(point) for point in points])
        assert (saved.phase, saved.points.tolist()) == (straight.phase, straight.points.tolist())


def test_does_not_change_the_state_that_is_told():
    search = NelderMead()
    state = search.start([[0.0], [1.0]])
    kept = state.points.copy()
    search.tell(state, search.ask(state), [0.0, 1.0])
    assert np.array_equal(state.points, kept)
    assert state.phase == "start"


def test_errors_say_what_to_do():
    with pytest.raises(ConfigError, match="expansion"):
        NelderMead(expansion=1.0)
    with pytest.raises(SolverError, match="one more"):
        NelderMead().start([[0.0, 0.0], [1.0, 1.0]])
    state = NelderMead().start([[0.0], [1.0]])
    with pytest.raises(SolverError, match="asked for"):
        NelderMead().tell(state, [[0.0], [2.0]], [1.0, 2.0])
