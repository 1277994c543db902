"""Strength columns: from rewards, from training on the set, from the released file; and the commands."""

import json

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.reward import ANY, reward
from guerdon.prefer.ensembles import Strength
from guerdon.prefer.files import read, read_rows
from guerdon.prefer.sets import PreferenceSet
from guerdon.systems.secrets_rm.annotate import (
    CLASS,
    COLUMNS,
    agreement,
    annotated,
    by_training,
    measured,
    relabelled,
    released,
    strength_of,
)
from guerdon.systems.secrets_rm.command import main


@reward(range=ANY)
def longer(answer):
    return float(len(answer))


@reward(range=ANY)
def vowels(answer):
    return float(sum(letter in "aeiou" for letter in answer))


def rows() -> PreferenceSet:
    return PreferenceSet.of(["q", "r"], ["tea", "a"], ["rain today", "bcd"], ["second", "first"], columns={"k": [7, 8]})


def released_rows() -> list[dict]:
    """Rows in the shape of the released validation file."""
    found = []
    for k in range(8):
        scores = {COLUMNS[0]: [1.0 + k, 2.0], COLUMNS[1]: [3.0, 1.0]}
        mean = {COLUMNS[2]: (k - 1.0) / 2, COLUMNS[3]: abs(k - 3.0) / 2}
        turns = ["Hi", "Hello", f"Say {k}"]
        found.append(
            {
                "chosen": [*turns, f"yes {k}"],
                "rejected": [*turns, f"no {k}"],
                **scores,
                **mean,
                "GPT4 label": (k % 3) - 1,
            }
        )
    return found


def test_rewards_vote_on_the_chosen_and_the_rejected_side() -> None:
    told = measured(rows(), [longer, vowels])
    assert told.chosen.tolist() == [[10.0, 1.0], [4.0, 1.0]]
    assert told.mean.tolist() == [4.5, -0.5]
    assert told.sd.tolist() == [2.5, 1.5]


def test_one_vote_is_none() -> None:
    with pytest.raises(ConfigError, match="two members"):
        measured(rows(), [longer])


def test_pairs_without_a_choice_are_refused() -> None:
    tied = PreferenceSet.of(["q"], ["a"], ["b"], ["tie"])
    with pytest.raises(ConfigError, match="1 rows have none"):
        measured(tied, [longer, vowels])


def test_columns_have_the_released_names_and_are_read_back() -> None:
    made = annotated(rows(), measured(rows(), [longer, vowels]))
    assert set(COLUMNS) < set(made.columns)
    assert made.columns["k"] == [7, 8]
    assert len(made.columns[CLASS]) == 2
    assert strength_of(made).mean.tolist() == [4.5, -0.5]
    with pytest.raises(ConfigError, match="chosen score list"):
        strength_of(rows())


def test_a_released_file_is_read_written_and_read_again() -> None:
    found = read_rows(released_rows()).rows
    told = strength_of(found)
    assert told.mean.tolist() == [row[COLUMNS[2]] for row in released_rows()]
    assert told.sd.tolist() == [row[COLUMNS[3]] for row in released_rows()]
    again = released(found)
    assert again[3]["chosen"] == released_rows()[3]["chosen"]
    assert again[3]["rejected"] == released_rows()[3]["rejected"]
    assert {name: again[3][name] for name in COLUMNS} == {name: released_rows()[3][name] for name in COLUMNS}


def test_three_validation_sets_come_of_another_annotator() -> None:
    sets = relabelled(read_rows(released_rows()).rows)
    assert {name: len(each) for name, each in sets.items()} == {"original": 8, "other": 5, "agreement": 2}
    assert sets["other"].choice.tolist() == [2, 1, 2, 1, 2]  # labels are 0, 1, 0, 1, 0 where they are known
    assert sets["agreement"].choice.tolist() == [1, 1]


def test_agreement_is_taken_by_groups_of_like_strength() -> None:
    mu = np.arange(10.0)
    told = Strength(mu[None], np.zeros((1, 10)))
    assert agreement(told, mu >= 5, 5) == [(2.0, 0.0), (7.0, 1.0)]


def learnable(n: int = 60) -> PreferenceSet:
    prompts = [f"ask {k % 20}" for k in range(n)]
    return PreferenceSet.of(prompts, ["good good"] * n, ["bad bad"] * n, ["first"] * (n - 6) + ["second"] * 6)


def test_members_that_learn_from_the_set_contradict_its_odd_labels() -> None:
    pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    from guerdon.rlhf.fitting import RewardFit

    quick = RewardFit(backbone="tiny-gru", epochs=6)
    for folds in (0, 3):
        told = by_training(learnable(), members=2, folds=folds, settings=quick)
        assert told.chosen.shape == (2, 60)
        assert (told.mean[:54] > 0).all()
        assert (told.mean[54:] < 0).all()


def test_folds_need_prompts() -> None:
    with pytest.raises(ConfigError, match="at least 5 prompts"):
        by_training(rows(), members=2, folds=5)


def test_the_commands_annotate_look_and_clean(tmp_path, capsys) -> None:
    pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    source, told, cleaned = (tmp_path / name for name in ("pairs.jsonl", "told.jsonl", "cleaned.jsonl"))
    source.write_text("\n".join(json.dumps(row) for row in learnable().rows()), encoding="utf-8")
    fit = ["--members", "2", "--backbone", "tiny-gru", "--epochs", "6", "--keep", str(tmp_path / "members")]
    main(["annotate", str(source), *fit, "--out", str(told), "--format", "released"])
    assert "60 pairs with their strength" in capsys.readouterr().out
    kept = str(tmp_path / "members" / "all")
    main(["annotate", str(source), "--reward", kept, "--out", str(tmp_path / "again.jsonl")])
    assert strength_of(read(told).rows).mean == pytest.approx(strength_of(read(tmp_path / "again.jsonl").rows).mean)
    main(["look", str(told)])
    assert "strength below 0: 10.0 % of 60" in capsys.readouterr().out
    main(["clean", str(told), "--flip", "0.1", "--margin", "--out", str(cleaned), "--format", "trl"])
    assert "6 labels flipped, 0 softened, margins by strength" in capsys.readouterr().out
    lines = [json.loads(line) for line in cleaned.read_text(encoding="utf-8").splitlines()]
    assert all(row["chosen"][-1]["content"] == "good good" for row in lines)
    assert all(row["margin"] > 0 for row in lines)


def test_a_released_validation_file_is_looked_at(tmp_path, capsys) -> None:
    path = tmp_path / "valid.jsonl"
    path.write_text("\n".join(map(json.dumps, released_rows())), encoding="utf-8")
    main(["look", str(path), "--size", "2"])
    said = capsys.readouterr().out
    assert "another annotator: 5 pairs, agrees on 2" in said
    with pytest.raises(SystemExit) as left:
        main(["clean", str(path), "--flip", "2"])
    assert left.value.code == 2
