"""Ensembles against the reward algebra, and the strength of preferences where it is known which labels are wrong."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.reward import ANY, reward  # noqa: E402
from guerdon.core.task import Answer, Case, Task  # noqa: E402
from guerdon.prefer.ensembles import (  # noqa: E402
    Strength,
    averaged,
    combined,
    ensemble_of,
    standardised,
    strength,
    strength_by_folds,
)
from guerdon.prefer.models import RewardModel, Rows, Vectors  # noqa: E402
from guerdon.prefer.pairs import Pairs  # noqa: E402
from guerdon.prefer.training import Fit, fit  # noqa: E402

BODY = Vectors(inputs=6, layers=(16,))


def noisy(n: int, seed: int = 0, share: float = 0.25):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n, 6))
    better = (a[:, :2].sum(1) > b[:, :2].sum(1))[:, None]
    wrong = rng.random(n) < share
    pairs = Pairs.of(Rows.of_vectors(np.where(better, a, b)), Rows.of_vectors(np.where(better, b, a)))
    return pairs.flipped(wrong), wrong


def auc(score, label) -> float:
    order = np.argsort(np.argsort(score))
    n1 = label.sum()
    return float((order[label].sum() - n1 * (n1 - 1) / 2) / (n1 * (len(label) - n1)))


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("mode", ["mean", "wco", "uwo"])
def test_arrays_and_rewards_are_combined_alike(mode, ddof) -> None:
    scores = np.random.default_rng(0).standard_normal((5, 8))

    def member(k):
        @reward(range=ANY)
        def one(answer):
            return float(scores[k, answer])

        return one

    task = Task("t")
    cases = [Case(task, Answer("t", i)) for i in range(8)]
    found = [s.value for s in ensemble_of([member(k) for k in range(5)], mode, 0.7, ddof=ddof)(cases)]
    assert found == pytest.approx(combined(scores, mode, 0.7, ddof=ddof).tolist())
    if mode == "uwo":
        assert found == pytest.approx((scores.mean(0) - 0.7 * scores.var(0, ddof=ddof)).tolist())
        assert combined(scores, "uwo", 0.0).tolist() == pytest.approx(scores.mean(0).tolist())
    with pytest.raises(ConfigError):
        combined(scores[:1], "uwo", ddof=1)


def test_strength_finds_wrong_labels_and_the_mean_beats_a_member() -> None:
    pairs, wrong = noisy(1500)
    settings = Fit(epochs=2)
    members = standardised(fit(BODY, pairs, settings, range(6)).models, pairs.chosen + pairs.rejected)
    told = strength(members, pairs)
    assert auc(-told.mean, wrong) > 0.85
    shares = [1 - wrong[some].mean() for some in told.deciles()]
    assert shares[0] < 0.4 < 0.9 < shares[-1]
    kinds = np.array(told.kinds())
    assert [(kinds == name).sum() for name in ("incorrect", "ambiguous", "normal", "strong")] == [300, 300, 750, 150]
    assert told.mean[kinds == "incorrect"].max() <= told.mean[kinds == "ambiguous"].min()
    assert told.mean[kinds == "normal"].max() <= told.mean[kinds == "strong"].min()
    held = strength_by_folds(BODY, pairs, Fit(epochs=5), (0, 1), folds=3)
    assert auc(-held.mean, wrong) > 0.85
    assert Strength.of_columns(told.columns()).sd == pytest.approx(told.sd)


def test_strength_by_hand() -> None:
    told = Strength(np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
    assert told.mean.tolist() == [3.0, -1.0]
    assert told.sd == pytest.approx([np.sqrt(14 / 3), 0.0])
    assert told.columns()["chosen score list"] == [[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]]


def test_votes_are_on_each_models_scale() -> None:
    pairs, _ = noisy(200)
    linear = Vectors(inputs=6, layers=())
    model = RewardModel(linear, {"head": torch.tensor([1.0, 1.0, 0, 0, 0, 0])})
    scaled = RewardModel(linear, {"head": torch.tensor([50.0, 50.0, 0, 0, 0, 0])})
    told = strength(standardised([model, scaled], pairs.chosen + pairs.rejected), pairs)
    assert told.sd.max() < 1e-5


def test_averaged_weights_of_linear_models_are_averaged_outputs() -> None:
    linear, pairs = Vectors(inputs=6, layers=()), noisy(100)[0]
    models = fit(linear, pairs, Fit(epochs=1), (0, 1, 2)).models
    wanted = np.mean([model.raw(pairs.chosen) for model in models], 0)
    assert np.allclose(averaged(models).raw(pairs.chosen), wanted, atol=1e-5)
    with pytest.raises(ConfigError):
        averaged([models[0], RewardModel.new(BODY)])
