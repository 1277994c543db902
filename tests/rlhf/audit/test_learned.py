"""The audit of learned rewards, and models of transformers as encoders and policies."""

from __future__ import annotations

from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.core.algebra import ensemble  # noqa: E402
from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.prefer.files import write  # noqa: E402
from guerdon.prefer.models import LearnedReward, RewardModel  # noqa: E402
from guerdon.prefer.pairs import Pairs  # noqa: E402
from guerdon.rlhf.audit import Extras, audit  # noqa: E402
from guerdon.rlhf.audit.models import _ids, drawn_by, drawn_by_model, encoder_of  # noqa: E402
from guerdon.rlhf.encoding import Words  # noqa: E402
from guerdon.rlhf.kept import KeptReward, load  # noqa: E402
from guerdon.rlhf.overoptimisation import Samples  # noqa: E402
from guerdon.train.tiny_nets import TinyTransformer  # noqa: E402

_spec = util.spec_from_file_location("howto", Path(__file__).with_name("howto.py"))
howto = util.module_from_spec(_spec)
_spec.loader.exec_module(howto)

ROWS = howto.pairs(300, 401)


@pytest.fixture(scope="module")
def kept():
    words = Words.of([*ROWS.prompt, *ROWS.first, *ROWS.second], longest=64)
    body = TinyTransformer(vocabulary=words.vocabulary, width=16, layers=1)
    rows = words.rows(ROWS.prompt, ROWS.first)
    members = tuple(RewardModel.new(body, seed).standardised(rows) for seed in (1, 2, 3))
    return KeptReward(members, words, "uwo")


def test_members_features_precision_and_alarm_are_measured(kept):
    rng = np.random.default_rng(0)
    prompts = howto.PROMPTS[:12]
    answers = [howto.answers([p] * 16, rng) for p in prompts]
    gold = np.array([[howto.gold(p, t) for t in each] for p, each in zip(prompts, answers)])
    sides = {side: np.array([float(len(t)) for t in getattr(ROWS, side)]) for side in ("first", "second")}
    rows = replace(ROWS, columns={f"size_{side}": value for side, value in sides.items()})
    samples = Samples(prompts, answers, np.full(gold.shape, np.nan), gold)
    only = ["strength", "dimensions", "batches", "calls", "best-of-n", "lineage"]
    result = audit(kept, rows, Extras(samples=samples), only=only)
    told = {each.probe: each for each in result.findings}
    assert told["batches"].verdict == told["calls"].verdict == "ok"
    assert 1e-6 < told["batches"].number("largest change in bfloat16, in sd") < 1
    assert told["strength"].number("unsure") > 0
    assert told["dimensions"].tables[0].rows[0][0] == "size"
    assert told["best-of-n"].number("members' variance, end over start") > 0
    assert told["lineage"].verdict == "not measured"
    assert result.document()["reward"]["recipe"]["kind"].endswith("KeptReward")


def test_an_ensemble_of_learned_rewards_is_probed_like_a_kept_one(kept):
    def encode(cases):
        return kept.encoding.rows([c.task.data["prompt"] for c in cases], [c.answer.content for c in cases])

    parts = [LearnedReward(member, encode) for member in kept.members]
    columns = {f"size_{side}": np.array([float(len(t)) for t in getattr(ROWS, side)]) for side in ("first", "second")}
    rows = replace(ROWS, columns=columns)
    one, two = (audit(thing, rows, only=["strength", "dimensions"]) for thing in (ensemble(parts, "uwo"), kept))
    for probe in ("strength", "dimensions"):
        assert one.finding(probe).numbers == two.finding(probe).numbers
        assert one.finding(probe).tables == two.finding(probe).tables
    alone = audit(parts[0], ROWS, only=["batches", "strength"])
    assert alone.finding("batches").number("largest change in bfloat16, in sd") > 1e-6
    assert alone.finding("strength").verdict == "not measured"


def test_the_very_labels_that_trained_it_are_known_by_their_digest(kept):
    labels = Pairs.of_set(ROWS, kept.encoding.rows).digest()
    trained = replace(kept, lineage={"labels": labels})
    assert audit(trained, ROWS, only=["lineage"]).finding("lineage").verdict == "bad"
    held = audit(trained, ROWS.take(range(100)), only=["lineage"]).finding("lineage")
    assert held.verdict == "not measured"
    assert labels[:12] in held.why


def test_pairs_that_were_held_out_are_not_contaminated(kept, tmp_path):
    held, train = ROWS.take(range(60)), ROWS.take(range(60, 300))
    reward = replace(kept, lineage={"labels": "0" * 32}).save(tmp_path)
    write(held, tmp_path / "held-out.jsonl")
    told = audit(reward, held, only=["lineage"]).finding("lineage")
    assert told.verdict == "ok"
    assert "held out" in told.why
    assert audit(reward, train, only=["lineage"]).finding("lineage").verdict == "not measured"
    everything = Extras(trained_on=ROWS)
    assert audit(reward, held, everything, only=["lineage"]).finding("lineage").number("pairs trained on") == 0
    assert audit(reward, train, everything, only=["lineage"]).finding("lineage").verdict == "bad"


def test_a_function_draws_answers_or_is_refused():
    found = drawn_by(lambda prompts, n, seed: [[f"{p} {k}" for k in range(n)] for p in prompts], ["a", "b"], 3, 0)
    assert found.answers == [["a 0", "a 1", "a 2"], ["b 0", "b 1", "b 2"]]
    assert np.isnan(found.proxy).all()
    with pytest.raises(ConfigError, match="3 texts for each of 2"):
        drawn_by(lambda prompts, n, seed: [["x"]] * 2, ["a", "b"], 3, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    where = tmp_path_factory.mktemp("model")
    words = ["<eos>", "<unk>", *sorted({w for p in howto.PROMPTS for w in p.lower().replace("?", " ?").split()})]
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="<unk>"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<eos>", unk_token="<unk>").save_pretrained(
        where
    )
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, eos_token_id=0, bos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(where)
    return str(where)


def test_models_of_transformers_encode_and_answer(folder):
    vectors = np.asarray(encoder_of(folder)(howto.PROMPTS[:3]))
    assert vectors.shape == (3, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    one, two = (drawn_by_model(folder, howto.PROMPTS[:2], 3, 7, most=6) for _ in range(2))
    assert one.answers == two.answers
    assert [len(each) for each in one.answers] == [3, 3]
    assert len({text for each in one.answers for text in each}) > 1
    assert all("<eos>" not in text for each in one.answers for text in each)


def test_a_chat_template_is_used_where_there_is_one(folder):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    plain = _ids(tokenizer, "sell the boat")
    tokenizer.chat_template = "{% for m in messages %}how {{ m['content'] }}{% endfor %}"
    assert _ids(tokenizer, "sell the boat") == [*tokenizer("how")["input_ids"], *plain]


def test_a_classifier_of_the_hub_is_audited_in_both_precisions(folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.num_labels, config.pad_token_id = 1, 0
    torch.manual_seed(1)
    transformers.LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    result = audit(load(tmp_path), ROWS, only=["coverage", "batches", "calls"], limit=60)
    told = {each.probe: each.verdict for each in result.findings}
    assert told == {"coverage": "ok", "batches": "ok", "calls": "ok"}
    assert result.finding("batches").number("largest change in bfloat16, in sd") > 1e-6
