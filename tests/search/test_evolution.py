import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import (
    Centre,
    CmaEs,
    GldFast,
    MuPlusLambda,
    OneFifth,
    OpenAIES,
    Parents,
    RandomSearch,
    load_state,
    save_state,
)
from guerdon.search.evolution import centred_ranks, in_ball

RULES = [MuPlusLambda(), OneFifth(), OpenAIES(), GldFast(), RandomSearch()]
BY_NAME = pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)


def sphere(points):
    return -np.square(points).sum(axis=1)


def point_of(state):
    return state.point if isinstance(state, Centre) else state.points[int(np.argmax(state.scores))]


def search(rule, state, seed, steps, score=sphere):
    for step in range(steps):
        points = rule.ask(state, np.random.default_rng([seed, step]))
        state = rule.tell(state, points, score(points))
    return state


@BY_NAME
def test_the_sphere_is_climbed(rule):
    start = np.full(4, 1.5)
    state = search(rule, rule.start(start), 0, 300)
    assert sphere(point_of(state)[None, :])[0] > (-1.0 if isinstance(rule, (OpenAIES, RandomSearch)) else -1e-2)


@BY_NAME
def test_a_saved_state_goes_on_as_the_first_would(rule, tmp_path):
    state = search(rule, rule.start([1.0, 2.0]), 1, 5)
    save_state(state, tmp_path)
    again = load_state(type(state), tmp_path)
    states = [search(rule, each, 2, 5) for each in (state, again)]
    assert np.array_equal(point_of(states[0]), point_of(states[1]))


@BY_NAME
def test_ask_and_tell_change_no_state_and_draw_only_from_the_generator(rule):
    state = rule.start([1.0, 2.0])
    one, two = (rule.ask(state, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, two)
    told = [rule.tell(state, one, sphere(one)) for _ in range(2)]
    assert np.array_equal(point_of(told[0]), point_of(told[1]))


@BY_NAME
def test_unknown_scores_never_win(rule):
    state = search(rule, rule.start([1.0, 2.0]), 1, 5)
    points = rule.ask(state, np.random.default_rng(0))
    for bad in (None, float("nan"), float("inf")):
        told = rule.tell(state, points, [bad] * len(points))
        assert np.array_equal(point_of(told), point_of(state))


@BY_NAME
def test_wrong_input_is_named(rule):
    with pytest.raises(SolverError, match="start point"):
        rule.start([float("nan")])
    with pytest.raises(SolverError, match="points"):
        rule.tell(rule.start([0.0, 0.0]), [[1.0]], [1.0])


def test_settings_that_make_no_sense():
    for make in (lambda: OneFifth(sigma=0), lambda: GldFast(condition=0.5), lambda: OpenAIES(rate=float("inf"))):
        with pytest.raises(ConfigError):
            make()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10), st.lists(st.integers(-3, 3), max_size=10))
def test_mu_plus_lambda_keeps_the_best_of_both(first, second):
    rule = MuPlusLambda(mu=3, offspring=1)
    state = rule.start([0.0])
    for scores in (first, second):
        state = rule.tell(state, np.zeros((len(scores), 1)), scores)
    assert state.scores.tolist() == sorted(map(float, first + second), reverse=True)[:3]


def test_the_one_fifth_rule_keeps_its_step_at_one_success_in_five():
    rule = OneFifth(sigma=1.0)
    state = rule.tell(rule.start([0.0]), [[0.0]], [0.0])
    size = state.size
    state = rule.tell(state, [[1.0]] * 5, [1.0, 0.0, 0.0, 0.0, 0.0])
    assert state.size == pytest.approx(size)


def test_openai_es_is_the_ranked_gradient_and_blind_to_the_scale_of_scores():
    rule = OpenAIES(pairs=8, sigma=0.2, rate=0.5)
    state = rule.start([1.0, -1.0])
    points = rule.ask(state, np.random.default_rng(0))
    noise = (points - state.point) / 0.2
    assert noise[:8] == pytest.approx(-noise[8:])
    expected = state.point + 0.5 * (centred_ranks(sphere(points)) @ noise) / (16 * 0.2)
    told = rule.tell(state, points, sphere(points))
    assert told.point == pytest.approx(expected)
    assert np.array_equal(told.point, rule.tell(state, points, 100 * sphere(points) + 7).point)
    with pytest.raises(SolverError, match="pairs"):
        rule.tell(state, points[:3], [0, 0, 0])


def test_gld_halves_its_radius_and_draws_within_it():
    rule = GldFast(radius=8.0, condition=2.0)
    state = rule.start([0.0])
    assert rule.tell(rule.tell(state, [[1.0]], [0.0]), [[1.0]], [0.0]).size == 4.0
    points = in_ball(4000, 3, np.random.default_rng(0))
    radius = np.linalg.norm(points, axis=1)
    assert radius.max() <= 1
    assert (radius < 0.5).mean() == pytest.approx(1 / 8, abs=0.03)


def test_random_search_keeps_its_centre():
    state = search(RandomSearch(), RandomSearch().start([3.0]), 0, 20)
    assert isinstance(state, Parents)
    assert state.points[0].tolist() == [3.0]


# CMA-ES


def test_cma_es_climbs_resumes_and_survives_faults(tmp_path):
    pytest.importorskip("cma")
    first = CmaEs(np.ones(3), sigma=0.5)
    for step in range(40):
        points = first.ask(np.random.default_rng([0, step]))
        scores = sphere(points).tolist()
        scores[step % len(scores)] = None
        first.tell(points, scores)
    assert sphere(first.mean[None, :])[0] > -0.1
    first.save(tmp_path)
    second = CmaEs.load(tmp_path)
    for each in (first, second):
        points = each.ask(np.random.default_rng(9))
        each.tell(points, sphere(points))
    assert np.array_equal(first.mean, second.mean)
    assert first.sigma == second.sigma


def test_cma_es_equals_the_library():
    cma = pytest.importorskip("cma")
    ours = CmaEs(np.ones(3), sigma=0.5, population=6)
    rng = np.random.default_rng(4)
    peer = cma.CMAEvolutionStrategy(
        np.ones(3), 0.5, {"popsize": 6, "randn": lambda *s: rng.standard_normal(s), "verbose": -9, "seed": np.nan}
    )
    own = np.random.default_rng(4)
    for _ in range(10):
        points, theirs = ours.ask(own), peer.ask()
        assert np.array_equal(points, np.array(theirs))
        ours.tell(points, sphere(points))
        peer.tell(theirs, (-sphere(np.array(theirs))).tolist())
    assert np.array_equal(ours.mean, peer.mean)


def test_cma_es_leaves_the_global_generator_alone():
    pytest.importorskip("cma")
    before = np.random.get_state()[1].copy()
    strategy = CmaEs(np.ones(2))
    strategy.tell(points := strategy.ask(np.random.default_rng(0)), sphere(points))
    assert np.array_equal(before, np.random.get_state()[1])


def test_cma_es_refuses_misuse(tmp_path):
    pytest.importorskip("cma")
    strategy = CmaEs(np.ones(2))
    points = strategy.ask(np.random.default_rng(0))
    with pytest.raises(SolverError, match="ask came twice"):
        strategy.ask(np.random.default_rng(0))
    with pytest.raises(SolverError, match="not told"):
        strategy.save(tmp_path)
    with pytest.raises(SolverError, match="got others"):
        strategy.tell(points + 1, np.zeros(len(points)))
    with pytest.raises(SolverError, match="known"):
        strategy.tell(points, [None] * len(points))
    with pytest.raises(ConfigError):
        CmaEs([1.0])
