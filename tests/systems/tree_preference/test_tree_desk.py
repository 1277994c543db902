"""Both topologies at desk scale: the step world, the tiny text world, and generators that need torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.tree_preference import journal, steps
from guerdon.systems.tree_preference.experiment import EXPERIMENTS, Networks, StepWorld, Text
from guerdon.systems.tree_preference.shapes import Shape
from guerdon.systems.tree_preference.steps import Steps, duel, number_of, reward_of, values_of

# ---- the step world --------------------------------------------------------------------------------------------------


def test_leaves_of_a_tree_share_their_steps_and_nothing_more() -> None:
    rng = stream(1, "t")
    world = Steps(shape=Shape(pairs=28))
    found = steps.trees(world, values_of(world, rng), 28 * 300, rng)
    alike = (found.choices[:, 0] == found.choices[:, 1]).cumprod(1).sum(1)
    assert (alike >= found.shared).all()
    assert set(found.shared.tolist()) == {0, 2, 4}
    assert found.shared.mean() / 6 == pytest.approx(4 / 21, abs=1e-9)
    assert world.kinds == 64


def test_what_is_peculiar_is_shared_by_prefixes() -> None:
    world = Steps(bias=9.0, noise=0.0, shape=Shape(pairs=28))
    rng = stream(2, "t")
    flat = np.zeros(world.kinds)
    gaps: dict[int, list[float]] = {}

    def told(world: Steps, choices: Any, gold: Any, shared: Any, rng: Any) -> Any:
        for k in (0, 2, 4):
            gaps[k] = (gold[shared == k, 0] - gold[shared == k, 1]).tolist()
        return steps.Labelled(choices, gold[:, 0] > gold[:, 1], shared > 9, shared)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "_labelled", told)
        steps.trees(world, flat, 28 * 2000, rng)
    for k, parts in ((0, 3), (2, 2), (4, 1)):
        assert np.var(gaps[k]) == pytest.approx(2 * 9.0 * parts / 3, rel=0.1)


def test_linear_values_are_learned_and_own_values_are_remembered() -> None:
    for kind in ("shared", "own"):
        world = Steps(values=kind, bias=0.01, noise=0.1, labels=6000)  # type: ignore[arg-type]
        values = values_of(world, stream(3, kind))
        scores = reward_of(world, steps.chain(world, values, world.labels, stream(3, "labels")))
        assert np.corrcoef(values, scores)[0, 1] > 0.95


def test_linear_values_add_up() -> None:
    world = Steps(values="shared", actions=2, steps=3, shape=Shape(breadth=(2, 2, 2)))
    values = values_of(world, stream(4, "v"))
    corners = np.array([[0, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 0]])
    a, b, c, d = values[number_of(world, corners)]
    assert a + b == pytest.approx(c + d)
    assert values.std() == pytest.approx(1.0)


def test_a_duel_of_equals_is_even() -> None:
    found = duel(Steps(shape=Shape(breadth=(2,), pairs=1), labels=96), 5, sets=150)
    assert found["equal tokens"] == pytest.approx(0.5, abs=0.03)
    assert found["tree pairs"] == 96


def test_equal_tokens_give_the_tree_about_a_quarter_more_pairs() -> None:
    found = duel(Steps(labels=200), 6, sets=20)
    assert found["tree pairs"] / 200 == pytest.approx(21 / 17, abs=0.03)


def test_steps_that_cannot_be_cut_evenly_are_refused() -> None:
    with pytest.raises(ConfigError):
        Steps(steps=5)


@pytest.mark.parametrize("experiment", [Networks(), StepWorld()], ids=lambda each: each.name)
def test_smoke_jobs_measure_what_the_claims_are_about(experiment: Any) -> None:
    for arm in experiment.arms:
        found = experiment.run(arm, 101, "smoke")
        assert found == experiment.run(arm, 101, "smoke")
        wanted = {c.measure for c in experiment.claims if hasattr(c, "measure") and c.treatment == arm}
        assert wanted <= {name for name, value in found.items() if value is not None}


def test_experiments_have_names_of_their_own() -> None:
    assert [each.name for each in EXPERIMENTS] == ["networks", "steps", "text"]


# ---- the tiny text world ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk() -> Any:
    pytest.importorskip("torch")
    from guerdon.rlhf.desk import Desk
    from guerdon.train.tiny import Sft

    return Desk.make(103, demonstrations=400, sft=Sft(epochs=1), width=12, calibrate_on=200)


def test_the_smoke_job_of_the_text_world(desk: Any) -> None:
    experiment = Text()
    found = experiment.run("noisy", 101, "smoke") | experiment.run("noiseless", 101, "smoke")
    missing = {c.measure for c in experiment.claims if hasattr(c, "measure")} - set(found)
    assert not missing
    assert found["wrong, chain"] == 0.0


def test_both_topologies_have_the_same_prompts_and_budget(desk: Any) -> None:
    from guerdon.systems.tree_preference.desk import Plan, collected

    plan = Plan(prompts=30, pairs=3)
    chain, tree = collected(desk, plan, plan.chain, "chain"), collected(desk, plan, plan.tree, "tree")
    assert len(chain.pairs) == 90
    assert len(tree.first(3).pairs) == pytest.approx(90, abs=6)
    asked = [{tuple(row[:2]) for row in labels.pairs.chosen.values.tolist()} for labels in (chain, tree)]
    assert asked[0] == asked[1]
    budget = int(chain.tokens.sum())
    spent = int(tree.within(budget).tokens.sum())
    assert budget - 40 <= spent <= budget or len(tree.within(budget).pairs) == len(tree.pairs)
    assert (chain.shared == 0).all()


def test_labels_without_noise_are_never_wrong(desk: Any) -> None:
    from guerdon.systems.tree_preference.desk import Plan, collected

    plan = Plan(prompts=20, scale=0.0)
    labels = collected(desk, plan, plan.tree, "x")
    sides = (labels.pairs.chosen, labels.pairs.rejected)
    gold = [desk.world.gold(rows.values[:, :2], rows.values[:, 2:]) for rows in sides]
    assert (gold[0] > gold[1]).all()
    assert not labels.wrong.any()


def test_a_tiny_model_goes_on_from_prefixes_of_any_length(desk: Any) -> None:
    from guerdon.systems.tree_preference.generators import FromTiny
    from guerdon.worlds.tiny_text import read

    generate = FromTiny(desk.policy)
    prompts, prefixes = ["sea brief", "night full", "sea brief"], ["", "star moon owl", "wave"]
    rests = generate(prompts, prefixes, 1.0, 7)
    assert rests == generate(prompts, prefixes, 1.0, 7)
    for prefix, rest in zip(prefixes, rests, strict=True):
        assert len(read(prefix + str(rest))) <= 16
        assert not prefix or not rest or rest.startswith(" ")
    assert generate.count(["sea brief", ""]) == [2, 0]


def test_a_tiny_model_with_a_prefix_draws_as_its_own_sampler_does(desk: Any) -> None:
    from guerdon.systems.tree_preference.generators import FromTiny
    from guerdon.worlds.tiny_text import read, say

    n = 3000
    rests = FromTiny(desk.policy)(["sea brief"] * n, ["wave"] * n, 1.0, 1)
    asked, prefix = np.tile(read("sea brief"), (n, 1)), np.tile(read("wave"), (n, 1))
    drawn = desk.policy.sample(asked, stream(2, "x"), most=17, prefix=prefix)
    ours = np.mean([len(str(rest).split()) for rest in rests])
    theirs = np.mean([min(len(say(row.tolist()).split()) - 1, 15) for row in drawn.ids])
    assert ours == pytest.approx(theirs, abs=0.3)


def test_a_transformers_policy_goes_on_from_prefixes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    from guerdon.systems.tree_preference.command import main

    words = ["<pad>", "<end>", "<unk>", "why", "?", *"abcdefgh"]
    table = tokenizers.models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>")
    plain = tokenizers.Tokenizer(table)
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, eos_token="<end>", pad_token="<pad>", unk_token="<unk>"
    )
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    made.save_pretrained(tmp_path / "model")
    (tmp_path / "p.txt").write_text("why ?\nwhy why ?\n")
    out = tmp_path / "p.jsonl"
    given = ["collect", "--prompts", str(tmp_path / "p.txt"), "--model", f"policy:{tmp_path / 'model'}"]
    main([*given, "--judge", "none", "--out", str(out), "--most", "12", "--coldest", "1.0"])
    _, trees, compared = journal.read(Path(f"{out}.trees"))
    assert len(trees) == 2
    assert all(2 <= len(tree.leaves) <= 8 for tree in trees)
    assert compared
    for each in compared:
        assert each.tokens[0] == len(each.texts[0].split())
        assert set(each.texts[0].split()) <= {*words[3:]}


def test_a_plan_is_plain_data() -> None:
    pytest.importorskip("torch")
    from guerdon.systems.tree_preference.desk import Plan

    assert replace(Plan(), prompts=3).tree.pairs == Plan().pairs + 2
