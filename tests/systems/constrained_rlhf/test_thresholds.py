from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.systems.constrained_rlhf.runs import Course, Setting  # noqa: E402
from guerdon.systems.constrained_rlhf.thresholds import ThresholdSearch  # noqa: E402
from guerdon.train.critic import Critic  # noqa: E402
from guerdon.train.rollouts import Sampling  # noqa: E402
from guerdon.train.tiny import TinyLM, TinyPolicy  # noqa: E402
from guerdon.train.tiny_nets import TinyGRU  # noqa: E402

NET = TinyGRU(vocabulary=6, width=8)
NAMES = ("four", "five")


def both(prompts, drawn):
    """Shares of two tokens."""
    shares = [[np.mean(line[:n] == token) for token in (4, 5)] for line, n in zip(drawn.ids, drawn.lengths)]
    return np.array(shares)


@pytest.fixture(scope="module")
def setting():
    model = TinyLM.new(NET, stream(3, "model"))
    asked = np.full((64, 1), 2)

    def evaluate(policy, state):
        drawn = policy.language_model().sample(asked, stream(1, "evaluation", state.iteration), most=4)
        four, five = both(asked, drawn).mean(0).tolist()
        return {"four": four, "five": five, "eval": 1.0 - (four - 0.35) ** 2 - (five - 0.3) ** 2}

    settings = {
        "lr": 0.05, "epochs": 1, "minibatch": None, "beta1": 0.5, "multiplier_lr": 0.5,
        "critic": Critic(body=NET, start=model.weights),
    }  # fmt: skip
    return Setting(
        policy=lambda: TinyPolicy(model), prompts=asked, names=NAMES, score=both, evaluate=evaluate,
        sampling=Sampling(most=4), batch=32, every=2, settings=settings,
    )  # fmt: skip


def test_one_run_moves_from_vertex_to_vertex(setting):
    found = ThresholdSearch(iterations=40, most=(0.6, 0.6), flat=0.0).run(setting)
    assert found.state.iteration == 40
    assert found.simplex.phase != "start"
    spans = np.diff([0, *(each.iteration for each in found.tried)])
    assert (spans <= 5 + 1).all()
    assert all(each.within for each, span in zip(found.tried, spans) if span < 4)
    assert found.top.evaluation == max(each.evaluation for each in found.tried)
    assert found.best.iteration == found.top.iteration
    start = setting.evaluate(setting.policy(), found.best)
    assert set(start) == {"four", "five", "eval"}


def test_the_first_vertices_lie_above_the_start(setting):
    found = ThresholdSearch(iterations=2, most=(0.6, 0.6)).run(setting)
    vertices = found.simplex.points
    told = setting.evaluate(setting.policy(), replace(found.state, iteration=0))
    assert vertices.shape == (3, 2)
    assert (vertices >= [told["four"], told["five"]]).all()
    assert (vertices <= 0.6).all()


def test_a_vertex_near_one_that_was_tried_is_looked_up(setting):
    rule = ThresholdSearch(iterations=30, most=(0.6, 0.6), near=10.0, flat=0.0, most_lookups=7)
    found = rule.run(setting)
    assert len(found.tried) == 1
    assert found.lookups == 7
    assert set(found.simplex.scores.tolist()) == {found.top.evaluation}


def test_alike_vertices_end_the_search(setting):
    found = ThresholdSearch(iterations=400, most=(0.6, 0.6), share=0.005, flat=10.0).run(setting)
    assert len(found.tried) == 3
    assert found.state.iteration < 10


def test_stopped_after_any_vertex_it_goes_on_the_same(setting, tmp_path):
    rule = ThresholdSearch(iterations=16, most=(0.6, 0.6), flat=0.0)
    whole = rule.run(setting, tmp_path / "whole")
    calls = []

    def stopping(prompts, drawn):
        calls.append(0)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return both(prompts, drawn)

    with pytest.raises(KeyboardInterrupt):
        rule.run(replace(setting, score=stopping), tmp_path / "again")
    again = rule.run(setting, tmp_path / "again")
    assert again.tried == whole.tried
    assert again.simplex.points.tolist() == whole.simplex.points.tolist()
    for name, each in whole.best.policy.weights.items():
        assert torch.equal(each, again.best.policy.weights[name])
    with pytest.raises(ConfigError, match="same settings"):
        ThresholdSearch(iterations=17, most=(0.6, 0.6)).run(setting, tmp_path / "again")


def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match="share"):
        ThresholdSearch(iterations=10, most=(1.0, 1.0), share=0.0)
    with pytest.raises(ConfigError, match="Raise most"):
        ThresholdSearch(iterations=10, most=(0.01, 0.6)).run(setting)


def test_a_course_is_read_from_a_history(setting):
    course = Course.of(setting.train("xi-ppo", 5, thresholds=(0.35, 0.3)).history, NAMES)
    assert course.components.shape == (5, 2)
    assert course.at.tolist() == [0, 2, 4, 5]
    assert course.held_out.shape == course.multipliers.shape == (4, 2)
    assert course.until(2).at.tolist() == [0, 2]
    assert course.final == pytest.approx(course.evaluations[-1])
    assert set(course.held((0.35, 0.3))) == set(NAMES)
    with pytest.raises(ConfigError, match="evaluations"):
        Course.of([{"iteration": 0, "reward_0": 1.0}], NAMES)
