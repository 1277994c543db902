import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.intervals import wilson
from guerdon.prefer.sets import PreferenceSet

pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
sys.path.insert(0, str(Path(__file__).parent))

import reward_kit

from guerdon.rlhf.fitting import OBJECTIVES, TRAINING, RewardFit, fit_reward
from guerdon.rlhf.kept import load

QUICK = RewardFit(members=2, epochs=1, batch=16)


def test_it_learns_what_is_preferred_and_says_how_well(tmp_path: Path) -> None:
    settings = RewardFit(members=3, epochs=4, lr=3e-3, batch=16)
    made = fit_reward(reward_kit.preferences(300), settings, tmp_path / "mine")
    combined = made.table[-1]
    assert [row["who"] for row in made.table] == ["member 0", "member 1", "member 2", "combined"]
    assert combined["accuracy"] > 0.8
    assert (combined["low"], combined["high"]) == wilson(combined["accuracy"] * combined["pairs"], combined["pairs"])
    assert made.rows + made.held_out == 300
    assert 10 <= made.held_out <= 60
    reward = load(tmp_path / "mine")
    fresh = reward_kit.preferences(100, seed=102)
    gap = reward.scores(fresh.prompt, fresh.first) - reward.scores(fresh.prompt, fresh.second)  # type: ignore[attr-defined]
    assert np.mean((gap > 0) == (fresh.choice == 1)) > 0.8
    assert reward.lineage["accuracy"] == [dict(row) for row in made.table]  # type: ignore[attr-defined]
    assert not (tmp_path / "mine" / TRAINING).exists()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains(tmp_path: Path, objective: Any) -> None:
    data = reward_kit.preferences(60, flips=0.2)
    made = fit_reward(data, RewardFit(members=1, epochs=1, objective=objective), tmp_path / "mine")
    assert made.reward.lineage["fit"]["objective"] == objective  # type: ignore[index, call-overload]
    assert np.isfinite(made.reward.scores(["what sat ?"], ["cat"])).all()


def test_margins_of_the_data_are_used_by_the_margin_objective_alone(tmp_path: Path) -> None:
    plain = reward_kit.preferences(60)
    wide = PreferenceSet.of(plain.prompt, plain.first, plain.second, plain.choice, margin=np.full(60, 3.0))
    told = {}
    for name, data, objective in (("bt", plain, "bt"), ("bt wide", wide, "bt"), ("margin", wide, "margin")):
        settings = RewardFit(members=1, epochs=1, objective=objective)  # type: ignore[arg-type]
        told[name] = fit_reward(data, settings, tmp_path / name).reward.members[0].digest()
    assert told["bt"] == told["bt wide"] != told["margin"]


def test_killed_and_called_again_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    data, settings = reward_kit.preferences(80), RewardFit(members=2, epochs=3, batch=16)
    whole = fit_reward(data, settings, tmp_path / "whole")
    seen: list[tuple[int, int]] = []

    def interrupted(done: int, steps: int) -> None:
        seen.append((done, steps))
        if done == steps * 2 // 3 + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_reward(data, settings, tmp_path / "again", told=interrupted)
    with pytest.raises(ConfigError, match="not finished"):
        load(tmp_path / "again")
    first = len(seen)
    again = fit_reward(data, settings, tmp_path / "again", told=lambda *at: seen.append(at))
    assert again.reward.fingerprint() == whole.reward.fingerprint()
    assert seen[first][0] == seen[0][1] * 2 // 3 + 1  # it went on after the second epoch


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    data = reward_kit.preferences(60)
    fit_reward(data, QUICK, tmp_path / "mine")
    with pytest.raises(ConfigError, match="holds one"):
        fit_reward(data, QUICK, tmp_path / "mine")
    before = load(tmp_path / "mine").fingerprint()  # type: ignore[attr-defined]
    fit_reward(data, RewardFit(members=2, epochs=1, seed=5), tmp_path / "mine", fresh=True)
    assert load(tmp_path / "mine").fingerprint() != before  # type: ignore[attr-defined]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other things"):
        fit_reward(data, QUICK, tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):
        fit_reward(data, QUICK, tmp_path / "half", told=lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(ConfigError, match="other data or settings"):
        fit_reward(reward_kit.preferences(60, seed=3), QUICK, tmp_path / "half")


def test_held_out_prompts_are_not_trained_on_and_few_prompts_are_split_by_pair(tmp_path: Path) -> None:
    data = reward_kit.preferences(200)
    double = data + data
    made = fit_reward(double, QUICK, tmp_path / "double")
    assert made.held_out % 2 == 0  # both rows of a prompt are on one side
    same = PreferenceSet.of(["one"] * 200, data.first, data.second, data.choice)
    assert 5 <= fit_reward(same, QUICK, tmp_path / "same").held_out <= 50
    none = fit_reward(data, RewardFit(members=1, epochs=1, holdout=0.0), tmp_path / "none")
    assert (none.held_out, none.table[0]["accuracy"], none.table[0]["low"]) == (0, None, None)


def test_ties_are_half_and_unknown_choices_are_left_out(tmp_path: Path) -> None:
    data = reward_kit.preferences(60)
    codes = data.choice.copy()
    codes[:10], codes[10:20] = 0, -1
    mixed = PreferenceSet.of(data.prompt, data.first, data.second, codes)
    made = fit_reward(mixed, QUICK, tmp_path / "mine")
    assert made.rows + made.held_out == 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objective": "btt"}, "Did you mean bt"),
        ({"combine": "median"}, "mean, wco or uwo"),
        ({"members": -1}, "at least 0"),
        ({"holdout": 1.0}, "below 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RewardFit(**change)


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two or more pairs"):
        fit_reward(reward_kit.preferences(1), QUICK, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("kind", ["lm", "encoder"])
def test_models_of_transformers_are_backbones(tmp_path: Path, kind: str) -> None:
    where = reward_kit.llama(tmp_path / "lm", classifier=False)
    if kind == "encoder":
        where = reward_kit.bert(tmp_path / "bert", classifier=False)
    name = f"encoder:{where}" if kind == "encoder" else str(where)
    made = fit_reward(reward_kit.preferences(40), RewardFit(backbone=name, epochs=1, lr=1e-3), tmp_path / "mine")
    assert len(made.reward.members) == (5 if kind == "encoder" else 1)
    again = load(tmp_path / "mine")
    told = ["what sat ?"] * 2, ["cat good", "bad dog ran"]
    assert again.scores(*told) == pytest.approx(made.reward.scores(*told), abs=1e-5)  # type: ignore[attr-defined]
    assert str(tmp_path) not in json.dumps(made.reward.lineage["versions"])


@pytest.mark.slow
def test_smollm2_is_a_backbone_and_its_scores_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    from guerdon.lm import weights

    if "smollm2" not in weights.installed():
        pytest.skip("needs guerdon models get smollm2")
    settings = RewardFit(backbone="smollm2", batch=4, longest=32, holdout=0.25)
    made = fit_reward(reward_kit.preferences(16), settings, tmp_path / "mine")
    accuracy = made.table[-1]["training"]
    assert accuracy is not None
    assert 0 <= accuracy <= 1
    told = ["what sat on red ?"] * 4, ["cat", "cat good good", "the dog ran on a mat , very fast", "bad"]
    together = made.reward.scores(*told)
    assert np.isfinite(together).all()
    assert together == pytest.approx([made.reward.scores([a], [b])[0] for a, b in zip(*told)], abs=1e-4)
    assert load(tmp_path / "mine").scores(*told) == pytest.approx(together, abs=1e-4)  # type: ignore[attr-defined]
