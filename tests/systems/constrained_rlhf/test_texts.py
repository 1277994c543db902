import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from guerdon.core.errors import ConfigError, RewardError  # noqa: E402
from guerdon.core.reward import reward  # noqa: E402
from guerdon.systems.constrained_rlhf import dialogue  # noqa: E402
from guerdon.systems.constrained_rlhf.command import main  # noqa: E402
from guerdon.systems.constrained_rlhf.runs import Course  # noqa: E402
from guerdon.systems.constrained_rlhf.texts import (  # noqa: E402
    Components,
    Model,
    cases_of,
    judge_named,
    prompts_of,
    read_prompts,
    text_setting,
)  # fmt: skip
from guerdon.train.sampling import Drawn  # noqa: E402

WORDS = ["sea", "moon", "bread", "song", "wave", "star", "salt", "drum", "<EOU>"]
ROWS = [{"prompt": f"{word}<EOU>", "reference": word} for word in WORDS[:4]]


def tokenizer_of(words):
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = {"<pad>": 0, "<end>": 1, "<unk>": 2} | {word: 3 + k for k, word in enumerate(words)}
    made = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    split = [pre_tokenizers.Split("<EOU>", "isolated"), pre_tokenizers.WhitespaceSplit()]
    made.pre_tokenizer = pre_tokenizers.Sequence(split)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<end>", unk_token="<unk>"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random GPT-2 in the format of the hub."""
    path = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=12, n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1, pad_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    tokenizer_of(WORDS).save_pretrained(path)
    return path


@reward
def starry(text):
    return text.split().count("star") / max(len(text.split()), 1)


@reward
def salty(text):
    return text.split().count("salt") / max(len(text.split()), 1)


@reward
def echoing(text, reference):
    return float(reference in text)


SETTINGS = {"lr": 1e-2, "epochs": 1, "minibatch": None}


def setting_of(folder, rank=0, **changes):
    rewards = {"starry": starry, "salty": salty}
    how = {"most": 4, "batch": 16, "every": 2, "settings": SETTINGS, **changes}
    return text_setting(Model(source=str(folder), rank=rank), rewards, echoing, ROWS, ROWS, **how)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_transformers_policy_learns_from_rewards_by_name(folder, rank):
    if rank:
        pytest.importorskip("peft")
    made = setting_of(folder, rank).train("xi-ppo", 4, thresholds=(0.3, 0.2))
    course = Course.of(made.history, ("starry", "salty"))
    assert course.components.shape == (4, 2)
    assert course.at.tolist() == [0, 2, 4]
    assert np.isfinite(course.evaluations).all()
    assert np.isfinite(course.multipliers).all()
    assert course.kl[0] == pytest.approx(0.0, abs=1e-5)
    assert all(torch.isfinite(each).all() for each in made.state.policy.weights.values())
    assert any(each.abs().sum() > 0 for each in made.state.policy.first.values())


def test_rewards_see_the_line_of_their_prompt(folder):
    tokenizer = Model(source=str(folder)).tokenizer()
    asked = prompts_of([{"prompt": "sea<EOU>", "reference": "a"}, {"prompt": "sea<EOU>", "reference": "b"}], tokenizer)
    assert asked[0] == asked[1] == [3, 11]
    ids = np.array([[8, 9, 1, 0], [4, 1, 0, 0]])
    cases = cases_of(asked, Drawn(ids, np.array([3, 2]), np.zeros((2, 4), np.float32)), tokenizer)
    assert [case.key["reference"] for case in cases] == ["a", "b"]
    assert [case.answer.content for case in cases] == ["star salt", "moon"]
    assert cases[0].task.data == {"prompt": "sea<EOU>"}


def test_a_reward_without_an_answer_is_nan_and_never_zero(folder):
    @reward
    def picky(text):
        return None if "salt" in text else 0.5

    tokenizer = Model(source=str(folder)).tokenizer()
    asked = prompts_of(ROWS[:2], tokenizer)
    score = Components({"starry": starry, "picky": picky}, tokenizer)
    drawn = Drawn(np.array([[8, 1], [9, 1]]), np.array([2, 2]), np.zeros((2, 2), np.float32))
    found = score(asked, drawn)
    assert found[:, 0].tolist() == [1.0, 0.0]
    assert found[0, 1] == 0.5
    assert np.isnan(found[1, 1])
    with pytest.raises(RewardError, match="picky has a score"):
        score(asked, Drawn(np.array([[9, 1], [9, 1]]), np.array([2, 2]), np.zeros((2, 2), np.float32)))


def test_an_evaluation_may_be_a_figure_of_all_responses(folder):
    rewards, seen = {"starry": starry}, []

    def longest(responses, references):
        seen.append((responses, references))
        return float(max(len(each.split()) for each in responses))

    made = text_setting(Model(source=str(folder)), rewards, longest, ROWS, ROWS, most=4, batch=8, settings=SETTINGS)
    policy = made.policy()
    told = made.evaluate(policy, made.learner("ppo-no-kl").start(policy, 0))
    assert set(told) == {"starry", "eval"}
    assert seen[0][1] == WORDS[:4]


def test_evaluations_by_name(tmp_path):
    assert judge_named("guerdon.systems.constrained_rlhf.metric:Metric").ranges
    file = tmp_path / "own.py"
    file.write_text("from guerdon.core.reward import reward\n@reward\ndef fine(text):\n    return 1.0\n")
    assert judge_named(str(file)).name == "fine"
    assert judge_named(f"{file}:fine").name == "fine"
    with pytest.raises(ConfigError, match="evaluation"):
        judge_named("guerdon.nowhere:Metric")


def test_prompts_files_are_checked(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "sea<EOU>"}\n{"text": "x"}\n')
    with pytest.raises(ConfigError, match="line 2"):
        read_prompts(file)
    file.write_text('{"prompt": "sea<EOU>"}\n')
    assert read_prompts(file) == [{"prompt": "sea<EOU>"}]


def test_the_classifier_is_any_of_transformers(tmp_path):
    config = transformers.BertConfig(
        vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=4
    )
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer = tokenizer_of(["hi", "how", "are", "you", "fine", "<EOU>"])
    tokenizer.save_pretrained(tmp_path)
    texts = ["hi fine", "how are you fine fine", "you"]
    wanted = [int(model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits.argmax()) + 1 for text in texts]
    assert dialogue.Intent(model=str(tmp_path), rows=2).acts(texts) == wanted
    dialogue._loaded.clear()
    with pytest.raises(Exception, match="classifier"):
        dialogue.Intent(model=str(tmp_path / "nowhere")).acts(texts)


def test_stopped_and_given_again_a_run_ends_the_same(folder, tmp_path):
    setting = setting_of(folder, every=1)
    whole = setting.train("xi-ppo", 5, thresholds=(0.3, 0.2), folder=tmp_path / "whole")
    calls = []

    def stopping(prompts, drawn):
        calls.append(len(prompts))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return setting.score(prompts, drawn)

    with pytest.raises(KeyboardInterrupt):
        replace(setting, score=stopping).train("xi-ppo", 5, thresholds=(0.3, 0.2), folder=tmp_path / "again")
    again = setting.train("xi-ppo", 5, thresholds=(0.3, 0.2), folder=tmp_path / "again")
    assert again.history == whole.history
    assert again.state.numbers == whole.state.numbers
    for name, each in whole.state.policy.weights.items():
        assert torch.equal(each, again.state.policy.weights[name])


OWN = """
from guerdon.core.reward import reward

@reward
def starry(text):
    return text.split().count("star") / max(len(text.split()), 1)
"""


def arguments(folder, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return [
        "--policy", str(folder), "--reward", f"starry={tmp_path}/own.py", "--eval", f"{tmp_path}/own.py", "--prompts",
        f"{tmp_path}/prompts.jsonl", "--batch", "8", "--most", "4", "--lr", "0.01", "--every", "1", "--json",
    ]  # fmt: skip


def test_the_command_trains_draws_and_goes_on(folder, tmp_path, capsys):
    given = ["run", *arguments(folder, tmp_path), "--theta", "starry=0.3", "--folder", str(tmp_path / "out")]
    main([*given, "--iterations", "2"])
    main([*given, "--iterations", "4"])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["iterations"] == 4
    assert said["held"]["starry"]["word"]
    lines = [json.loads(line) for line in (tmp_path / "out/history.jsonl").read_text().splitlines()]
    assert {row["iteration"] for row in lines} == {0, 1, 2, 3, 4}
    page = (tmp_path / "out/run.html").read_text(encoding="utf-8")
    assert "starry, threshold" in page
    assert "Multipliers" in page


def test_the_command_finds_thresholds(folder, tmp_path, capsys):
    main(["proxy", *arguments(folder, tmp_path), "--folder", str(tmp_path / "p"), "--iterations", "6", "--degree", "2"])
    found = json.loads(capsys.readouterr().out)
    assert set(found["theta"]) == set(found["independent"]) == {"starry"}
    assert json.loads((tmp_path / "p/theta.json").read_text()) == found
    main(["search", *arguments(folder, tmp_path), "--folder", str(tmp_path / "s"), "--iterations", "6"])
    found = json.loads(capsys.readouterr().out)
    assert found["vertices"] >= 2
    assert (tmp_path / "s/search.html").exists()


def test_the_command_writes_prompts_and_says_what_is_wrong(folder, tmp_path, capsys):
    source = tmp_path / "dialogues.jsonl"
    source.write_text(json.dumps({"dialog": ["Hi .", "Fine ."], "act": [1, 1]}) + "\n")
    main(["data", "--source", str(source), "--out", str(tmp_path / "out.jsonl")])
    assert read_prompts(tmp_path / "out.jsonl") == [{"prompt": "Hi .<EOU>", "reference": "Fine .", "intent": 1}]
    for given, said in (
        (["run", "--folder", str(tmp_path)], "--policy, --reward"),
        (
            ["run", *arguments(folder, tmp_path), "--theta", "starri=0.3", "--folder", str(tmp_path)],
            "Did you mean starry",
        ),
        (["run", *arguments(folder, tmp_path), "--theta", "starry", "--folder", str(tmp_path)], "name=value"),
    ):
        with pytest.raises(SystemExit) as left:
            main(given)
        assert left.value.code == 2
        assert said in capsys.readouterr().err
