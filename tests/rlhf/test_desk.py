"""The desk-sized setting: calibrated gold, labels that are wrong as often as asked, and the same again each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.prefer.models import RewardModel  # noqa: E402
from guerdon.rlhf.desk import Desk  # noqa: E402
from guerdon.train.tiny import Sft  # noqa: E402
from guerdon.train.tiny_nets import TinyGRU  # noqa: E402
from guerdon.worlds.tiny_text import VOCABULARY  # noqa: E402

SMALL: dict[str, Any] = {"demonstrations": 300, "sft": Sft(epochs=2), "width": 16, "calibrate_on": 500}


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk.make(101, **SMALL)


def test_gold_is_standard_on_the_policys_own_answers(desk: Desk) -> None:
    asked = desk.prompts(2000, "fresh")
    gold = desk.gold(asked, desk.draw(asked, "fresh"))
    assert abs(gold.mean()) < 0.15
    assert 0.85 < gold.std() < 1.15


def test_labels_are_true_but_for_the_share_that_is_flipped(desk: Desk) -> None:
    noisy, true = desk.pairs(2000, "train", flips=0.25)
    gold = [desk.world.gold(each.values[:, :2], each.values[:, 2:]) for each in (true.chosen, true.rejected)]
    assert (gold[0] >= gold[1]).all()
    wrong = (noisy.chosen.values != true.chosen.values).any(1)
    assert 0.22 < wrong.mean() < 0.28
    assert np.array_equal(noisy.rejected.values[wrong], true.chosen.values[wrong])


def test_the_same_seed_and_name_draw_the_same(desk: Desk) -> None:
    again = Desk.make(101, **SMALL)
    assert again.world == desk.world
    assert again.pairs(50, "a")[0].digest() == desk.pairs(50, "a")[0].digest()
    assert desk.pairs(50, "b")[0].digest() != desk.pairs(50, "a")[0].digest()


def test_rows_end_with_the_answers_last_token_and_scores_follow_them(desk: Desk) -> None:
    asked = desk.prompts(20, "rows")
    drawn = desk.draw(asked, "rows")
    rows = desk.rows(asked, drawn)
    last = rows.values[np.arange(20), rows.lengths - 1]
    assert np.array_equal(last == 1, (drawn.ids == 1).any(1))
    model = RewardModel.new(TinyGRU(vocabulary=len(VOCABULARY), width=8), 1)
    np.testing.assert_allclose(desk.score_of(model)(asked.tolist(), drawn), model.scores(rows))
    np.testing.assert_allclose(desk.gold_score()(asked.tolist(), drawn), desk.gold(asked, drawn))


def test_a_learner_starts_as_the_policy(desk: Desk) -> None:
    policy = desk.learner()
    start = policy.start()
    for name, each in policy.model_of(start).weights.items():
        assert torch.equal(each, desk.policy.weights[name])


def test_a_share_above_one_is_refused(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="flips is a share"):
        desk.pairs(5, flips=25)
