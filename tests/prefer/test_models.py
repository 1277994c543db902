"""Reward models: a row's score is its own, whatever stands beside it; scale, files and transformers' classifiers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.core.algebra import ensemble  # noqa: E402
from guerdon.core.errors import ConfigError, RewardError  # noqa: E402
from guerdon.core.recipe import recipe  # noqa: E402
from guerdon.core.task import Answer, Case, Task  # noqa: E402
from guerdon.prefer.models import Backbone, LearnedReward, RewardModel, Rows, Vectors, portions  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyTransformer  # noqa: E402

NETS = (TinyGRU(vocabulary=12, width=16), TinyTransformer(vocabulary=12, width=16, longest=24))
both = pytest.mark.parametrize("net", NETS, ids=["gru", "transformer"])


def ragged(n: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(2, 12, size=rng.integers(1, 20)).tolist() for _ in range(n)]


def llama(seed: int = 0):
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, num_labels=1, pad_token_id=0, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.LlamaForSequenceClassification(config).eval()


@both
def test_a_score_does_not_depend_on_neighbours_order_or_budget(net) -> None:
    model, lists = RewardModel.new(net, 1), ragged(60)
    rows = Rows.of(lists)
    together = model.raw(rows)
    alone = np.array([model.raw(Rows.of([each]))[0] for each in lists])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(model.raw(rows, budget=40), together, atol=1e-5)
    turned = np.arange(60)[::-1]
    assert np.allclose(model.raw(rows.take(turned)), together[turned], atol=1e-5)
    wider = Rows.of_ids(np.pad(rows.values, ((0, 0), (0, 4)), constant_values=7), rows.lengths)
    assert np.allclose(model.raw(wider), together, atol=1e-5)


@both
def test_padding_on_the_left_scores_the_same(net) -> None:
    rows = Rows.of(ragged(40))
    right, left = (RewardModel.new(net, 1, pad=pad).raw(rows) for pad in ("right", "left"))
    assert np.allclose(right, left, atol=1e-5)


def test_a_transformers_classifier_scores_as_transformers_says() -> None:
    theirs, lists = llama(), ragged(20)
    model = RewardModel.of_classifier(theirs)
    with torch.no_grad():
        wanted = [theirs(input_ids=torch.tensor([each])).logits[0, 0].item() for each in lists]
    assert np.allclose(model.raw(Rows.of(lists)), wanted, atol=1e-4)
    left = RewardModel.of_classifier(theirs, pad="left")
    assert np.allclose(left.raw(Rows.of(lists)), wanted, atol=1e-4)


def test_any_causal_model_becomes_one_and_other_heads_are_refused() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    for kind in (transformers.GPT2LMHeadModel, transformers.GPT2Model):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            body = Backbone(kind(config))
        right, left = (RewardModel.new(body, 3, pad=pad).raw(Rows.of(ragged(12))) for pad in ("right", "left"))
        assert np.allclose(right, left, atol=1e-4)
        assert right.std() > 0
    with pytest.raises(ConfigError, match="one label"):
        RewardModel.of_classifier(kind(config))


def test_dropped_embeddings_are_those_of_the_weights_given() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=1
    )
    body = Backbone(transformers.GPT2Model(config))
    weights = {name: each + 0.1 for name, each in body.initial(None).items()}
    ids = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        plain, same = (body.hidden(weights, ids, ids > 0, drop) for drop in (None, lambda x: x))
        assert torch.allclose(plain, same, atol=1e-6)


def test_embeddings_with_a_linear_head_are_a_product() -> None:
    vectors = np.random.default_rng(0).standard_normal((10, 5))
    model = RewardModel.new(Vectors(inputs=5, layers=()), 0)
    assert np.allclose(model.raw(Rows.of_vectors(vectors)), vectors @ model.weights["head"].numpy(), atol=1e-5)
    with pytest.raises(ConfigError):
        Rows.of_vectors([[np.nan]])


def test_standardised_scores_have_mean_0_and_sd_1_there() -> None:
    rows = Rows.of(ragged(50))
    model = RewardModel.new(NETS[0], 0).standardised(rows)
    scores = model.scores(rows)
    assert (scores.mean(), scores.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert np.array_equal(scores, (model.raw(rows) - model.mean) / model.sd)
    with pytest.raises(RewardError, match="differ"):
        model.standardised(rows.take([0]))


def test_the_seed_draws_the_head_and_the_start_is_kept() -> None:
    start = NETS[0].initial(torch.Generator().manual_seed(5))
    one, two = (RewardModel.new(NETS[0], seed, start=start) for seed in (1, 2))
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in start)
    assert not torch.equal(one.weights["head"], two.weights["head"])
    assert RewardModel.new(NETS[0], 1).digest() == RewardModel.new(NETS[0], 1).digest() != one.digest()


@both
def test_saved_and_loaded_it_is_the_same(net, tmp_path) -> None:
    rows = Rows.of(ragged(20))
    model = RewardModel.new(net, 4).standardised(rows)
    model.save(tmp_path)
    found = RewardModel.load(tmp_path, net)
    assert np.array_equal(found.scores(rows), model.scores(rows))
    assert found.lineage == {"seed": 4}
    assert found.digest() == model.digest()
    with pytest.raises(RewardError, match="this body"):
        RewardModel.load(tmp_path, TinyGRU(vocabulary=12, width=8))
    (tmp_path / "reward.safetensors").write_bytes(b"")
    with pytest.raises(RewardError):
        RewardModel.load(tmp_path, net)


def test_as_a_reward_it_joins_the_algebra() -> None:
    model = RewardModel.new(NETS[0], 0)
    task = Task("t", {"prompt": [3, 4]})
    cases = [Case(task, Answer("t", answer)) for answer in ([5], [6, 7, 8])]

    def encode(some):
        return Rows.of([[*case.task.data["prompt"], *case.answer.content] for case in some])

    found = [score.value for score in LearnedReward(model, encode)(cases)]
    assert found == pytest.approx(model.scores(Rows.of([[3, 4, 5], [3, 4, 6, 7, 8]])).tolist())
    both_ = ensemble([LearnedReward(model, encode), LearnedReward(model, encode)], "wco")
    assert [score.value for score in both_(cases)] == pytest.approx(found)
    assert recipe(LearnedReward(model, encode))["fingerprint"] == model.digest()


def test_rows_join_and_have_names_of_their_own() -> None:
    one, two = Rows.of([[1, 2, 3]]), Rows.of([[4], [5, 6]])
    both_ = one + two
    assert both_.values.tolist() == [[1, 2, 3], [4, 0, 0], [5, 6, 0]]
    assert both_.digest() != (two + one).digest()
    assert Rows.of([[1, 2], [3]]).digest() != Rows.of([[1], [2, 3]]).digest()
    assert two.digest() == both_.take([1, 2]).digest()
    with pytest.raises(ConfigError, match="row 1"):
        Rows.of([[1], []])


def test_portions_cover_all_rows_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, size=300)
    parts = portions(lengths, 200)
    assert sorted(np.concatenate(parts).tolist()) == list(range(300))
    assert all(len(some) * lengths[some].max() <= 200 for some in parts)
