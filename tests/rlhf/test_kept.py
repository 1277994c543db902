import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError, RewardError
from guerdon.testing.reward import RewardContract

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
sys.path.insert(0, str(Path(__file__).parent))

import reward_kit  # noqa: E402

from guerdon.prefer.models import RewardModel, Rows, Vectors  # noqa: E402
from guerdon.rlhf.encoding import Encoder, Pretrained, Words  # noqa: E402
from guerdon.rlhf.kept import Classifier, KeptReward, load  # noqa: E402
from guerdon.train.tiny_nets import TinyGRU, TinyTransformer  # noqa: E402

TEXTS = [("what sat ?", "the cat sat"), ("red", "good"), ("", "a very fast dog ran on the mat , slow and bad")]
ASKED, SAID = ([each[k] for each in TEXTS] for k in (0, 1))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(body: Any = TinyTransformer, members: int = 3, mode: Any = "uwo") -> KeptReward:
    words = Words(words=tuple(reward_kit.WORDS), longest=32)
    models = [RewardModel.new(body(vocabulary=words.vocabulary), seed) for seed in range(members)]
    rows = words.rows(ASKED, SAID)
    return KeptReward(tuple(each.standardised(rows) for each in models), words, mode, 0.5, {"pairs": 3})


@pytest.mark.parametrize("body", [TinyTransformer, TinyGRU])
def test_a_folder_gives_the_same_scores_elsewhere(tmp_path: Path, body: Any) -> None:
    reward = made(body)
    kept = reward.save(tmp_path / "mine")
    again = load(tmp_path / "mine")
    assert again.scores(ASKED, SAID).tolist() == reward.scores(ASKED, SAID).tolist()
    assert again.fingerprint() == reward.fingerprint() == kept.fingerprint()
    assert (again.name, again.lineage, again.mode) == ("mine", {"pairs": 3}, "uwo")
    files = {path.suffix for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    assert files == {".json", ".safetensors"}


def test_members_are_combined_by_the_mode() -> None:
    told = made().member_scores(ASKED, SAID)
    assert made().scores(ASKED, SAID) == pytest.approx(told.mean(0) - 0.5 * told.var(0))
    assert made(mode="wco").scores(ASKED, SAID) == pytest.approx(told.min(0))
    score = made().judge([reward_kit.case(SAID[0], ASKED[0])])[0]
    assert list(score.parts.values()) == pytest.approx(told[:, 0].tolist(), abs=1e-5)
    assert score.spread == pytest.approx(float(told[:, 0].std()), abs=1e-5)
    assert made(members=1).judge([reward_kit.case("cat")])[0].spread is None


def test_an_answer_that_is_no_text_is_the_solvers_fault() -> None:
    scores = made()(
        [reward_kit.case(each) for each in ("good", {"a": 1}, None, [{"role": "assistant", "content": "good"}])]
    )
    assert [score.known for score in scores] == [True, False, False, True]
    assert scores[1].fault is not None
    assert scores[1].fault.whose == "solver"


def test_a_member_that_says_nan_makes_a_fault_and_no_number() -> None:
    reward = made()
    broken = replace(reward.members[0], weights={k: v * float("nan") for k, v in reward.members[0].weights.items()})
    score = replace(reward, members=(broken, *reward.members[1:]))([reward_kit.case("cat")])[0]
    assert score.value is None


def test_scores_do_not_depend_on_their_neighbours() -> None:
    reward = made()
    many = [("red", "cat " * k) for k in range(1, 25)]
    together = reward.scores(*zip(*many))
    alone = [reward.scores([a], [b])[0] for a, b in many]
    assert together == pytest.approx(alone, abs=1e-5)


def test_it_is_sent_by_its_folder_and_not_if_that_has_changed(tmp_path: Path) -> None:
    kept = made().save(tmp_path / "mine")
    sent = pickle.dumps(kept)
    assert len(sent) < 1000
    assert pickle.loads(sent).scores(ASKED, SAID).tolist() == kept.scores(ASKED, SAID).tolist()
    assert pickle.loads(pickle.dumps(made())).fingerprint() == kept.fingerprint()
    made(members=2).save(tmp_path / "mine")
    with pytest.raises(RewardError, match="another one now"):
        pickle.loads(sent)


def test_a_transformers_backbone_is_kept_with_its_config_and_tokenizer(tmp_path: Path) -> None:
    from transformers import AutoModel

    from guerdon.prefer.models import Backbone

    where = reward_kit.llama(tmp_path / "lm", classifier=False)
    encoding = Pretrained.of(where, name="lm")
    body = Backbone(AutoModel.from_pretrained(str(where)), "lm")
    model = RewardModel.new(body, 3).standardised(encoding.rows(ASKED, SAID))
    reward = KeptReward((model,), encoding).save(tmp_path / "kept")
    (tmp_path / "lm" / "model.safetensors").unlink()  # the folder stands alone
    assert load(tmp_path / "kept").scores(ASKED, SAID) == pytest.approx(reward.scores(ASKED, SAID), abs=1e-6)


def test_an_encoder_is_kept_with_its_perceptron(tmp_path: Path) -> None:
    encoding = Encoder.of(reward_kit.bert(tmp_path / "bert", classifier=False))
    model = RewardModel.new(Vectors(inputs=encoding.width), 1).standardised(encoding.rows(ASKED, SAID))
    reward = KeptReward((model,), encoding).save(tmp_path / "kept")
    assert load(tmp_path / "kept").scores(ASKED, SAID) == pytest.approx(reward.scores(ASKED, SAID), abs=1e-6)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_classifier_says_what_transformers_says(tmp_path: Path, kind: str) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    where = getattr(reward_kit, kind)(tmp_path, classifier=True)
    reward = load(where)
    assert isinstance(reward, KeptReward if kind == "llama" else Classifier)
    tokenizer = AutoTokenizer.from_pretrained(str(where))
    model = AutoModelForSequenceClassification.from_pretrained(str(where)).eval()
    expected = []
    for prompt, response in TEXTS:
        ids = tokenizer(f"{prompt}\n{response}")["input_ids"]
        expected.append(model(input_ids=torch.tensor([[*ids, 1]])).logits[0, 0].item())
    found = reward([reward_kit.case(response, prompt) for prompt, response in TEXTS])
    assert [score.value for score in found] == pytest.approx(expected, abs=1e-5)
    again = pickle.loads(pickle.dumps(reward))
    assert [score.value for score in again([reward_kit.case("cat")])] == pytest.approx(
        [score.value for score in reward([reward_kit.case("cat")])]
    )


def test_code_is_named_by_module_or_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from guerdon import reward\n\n@reward\ndef short(text):\n    return float(len(text) < 5)\n")
    assert [score.value for score in load(f"{file}:short")([reward_kit.case("cat")])] == [1.0]
    assert load(str(file)).name == "short"


@pytest.mark.parametrize(
    ("ref", "said"),
    [("no-such", "module:NAME"), ("a/b/c", "module:NAME"), ("no.such.module:x", "No module"), ("gone.py", "not there")],
)
def test_what_is_no_reward_is_refused(ref: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(ref)


def test_folders_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither reward\.json nor"):
        load(tmp_path)
    (tmp_path / "training").mkdir()
    with pytest.raises(ConfigError, match="not finished"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="LlamaForCausalLM with"):
        load(reward_kit.llama(tmp_path / "lm", classifier=False))
    with pytest.raises(ConfigError, match="with 3 labels"):
        load(reward_kit.llama(tmp_path / "three", classifier=True, labels=3))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "guerdon-kept-reward-9"},
        {"body": {"kind": "os:system"}},
        {"encoding": {"kind": "magic"}},
        {"combine": "sum"},
        {"members": []},
        {"members": ["0", "1", "2"]},
        {"penalty": None},
        {"lineage": 3},
        {"body": None},
    ],
)
def test_a_description_that_is_not_ours_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    made().save(tmp_path)
    path = tmp_path / "reward.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((RewardError, ConfigError)):
        load(tmp_path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    made().save(tmp_path)
    file = tmp_path / "member-1" / "reward.safetensors"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(RewardError, match="holds a reward model"):
        load(tmp_path)
    made(members=2).members[0].save(tmp_path / "member-1")
    with pytest.raises(RewardError, match="a file has changed"):
        load(tmp_path)


def test_an_interrupted_save_leaves_no_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made().save(tmp_path)
    monkeypatch.setattr(RewardModel, "save", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        made(members=2).save(tmp_path)
    assert not (tmp_path / "reward.json").exists()


def test_no_rows_have_no_scores() -> None:
    assert made().scores([], []).shape == (0,)
    assert made()([]) == []
    assert isinstance(made().encoding.rows([], []), Rows)
    assert np.array_equal(made().member_scores([], []), np.zeros((3, 0)))


class TestContract(RewardContract):
    deterministic = False  # equal up to rounding: see test_scores_do_not_depend_on_their_neighbours

    @pytest.fixture
    def judge(self, tmp_path: Path) -> KeptReward:
        return made(members=2).save(tmp_path / "kept")

    @pytest.fixture
    def cases(self) -> list[Any]:
        return [reward_kit.case(b, a) for a, b in TEXTS]
