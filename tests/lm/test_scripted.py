from __future__ import annotations

import subprocess
import sys

import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.score import Fault
from guerdon.lm import Generation, Message, Model, Sampling, Scripted, open_model, usage
from guerdon.lm.prompts import chat, defuse, derived_seed, encodable, estimate, prompt_digest
from guerdon.lm.scripted import NAMES

PROMPT = "one two three four"


def test_importing_the_package_brings_nothing_heavy() -> None:
    code = "import sys, guerdon.lm; print([m for m in ('httpx','numpy','torch', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "text", "finish"),
    [("echo", PROMPT, "stop"), ("empty", "", "stop"), ("truncate", "one two", "length")],
)
def test_shipped_scripts(name: str, text: str, finish: str) -> None:
    with open_model(f"scripted:{name}") as model:
        assert isinstance(model, Model)
        [[done]] = model.generate([PROMPT])
        assert (done.text, done.finish, done.model) == (text, finish, model.name)
        assert done.tokens == len(text.split())
        assert done.prompt_tokens == 4


def test_refusals_and_off_menu_replies_are_no_choices() -> None:
    assert "can't" in Scripted("refuse").generate([PROMPT])[0][0].text
    said = [each.text for each in Scripted("off-menu").generate(["A or B?"], Sampling(n=40))[0]]
    assert not {"A", "B"} & set(said)
    assert len(set(said)) > 3


def test_flaky_faults_as_often_as_it_says() -> None:
    made = Scripted("flaky").generate([str(at) for at in range(1000)])
    faults = [group[0].fault for group in made if group[0].fault]
    assert 150 < len(faults) < 250
    assert faults[0] is not None
    assert faults[0].kind == "provider"
    assert made == Scripted("flaky").generate([str(at) for at in range(1000)])


def test_a_table_gives_its_replies_in_turn() -> None:
    model = Scripted("table", replies={r"\d \+ \d": ["4", "four"], "": ["what?"]})
    assert [each.text for each in model.generate(["2 + 2"], Sampling(n=3))[0]] == ["4", "four", "4"]
    assert model.generate([chat("hello")])[0][0].text == "what?"


def test_a_function_as_a_script() -> None:
    def script(prompt: object, rng: object, index: int) -> str | Fault | Generation:
        return Fault("provider", "third") if index == 2 else f"{index} {rng.integers(100)}"  # type: ignore[attr-defined]

    made = Scripted(script).generate(["a", "b"], Sampling(n=3))
    assert made[0][2].fault is not None
    assert made[0][0].text != made[1][0].text
    assert made == Scripted(script).generate(["a", "b"], Sampling(n=3))
    assert made[::-1] == Scripted(script).generate(["b", "a"], Sampling(n=3))


def test_limits_and_stops_apply() -> None:
    model = Scripted("echo")
    assert model.generate([PROMPT], Sampling(max_tokens=2))[0][0].finish == "length"
    assert model.generate([PROMPT], Sampling(max_tokens=2))[0][0].text == "one two"
    assert model.generate([PROMPT], Sampling(stop=("three", "two")))[0][0].text == "one "
    long = Scripted("echo", context=3).generate([PROMPT, "short"])
    assert long[0][0].fault is not None
    assert long[0][0].fault.whose == "solver"
    assert long[1][0].text == "short"


def test_logprobs_and_scores_are_numbers_below_zero() -> None:
    model = Scripted("echo")
    [[done]] = model.generate([PROMPT], Sampling(logprobs=True))
    [scored] = model.score([(PROMPT, PROMPT)])
    assert done.logprobs == scored.per_token
    assert done.logprobs is not None
    assert all(-4 <= value < 0 for value in done.logprobs)
    liking = Scripted("echo", likelihood=lambda prompt, text: -float(len(text)))
    assert [each.logprob for each in liking.score([("a", "b c"), ("a", ""), ("a", "longer")])] == [-3.0, 0.0, -6.0]
    odd = Scripted("echo", likelihood=lambda prompt, text: float("nan")).score([("a", "b")])
    assert odd[0].fault is not None
    assert odd[0].logprob is None


def test_digests_tell_scripts_and_parameters_apart() -> None:
    threshold = [1, 2]
    functions = [lambda prompt, rng, index, t=t: str(t) for t in threshold]
    models = [
        *(Scripted(name, **({"replies": {"a": ["b"]}} if name == "table" else {})) for name in NAMES),
        Scripted("table", replies={"a": ["c"]}),
        Scripted("flaky", rate=0.3),
        Scripted("flaky", of="refuse"),
        Scripted("echo", name="other"),
        *(Scripted(function) for function in functions),
    ]
    assert len({model.digest for model in models}) == len(models)
    assert Scripted("flaky").digest == Scripted("flaky", rate=0.2).digest


@pytest.mark.parametrize("spec", ["scripted:ecko", "smollm", "torch:", "scripted", "", "gpt-4"])
def test_unknown_specs_name_what_is_known(spec: str) -> None:
    with pytest.raises(ConfigError, match="Known:"):
        open_model(spec)


def test_odd_options_and_prompts_are_refused() -> None:
    with pytest.raises(ConfigError):
        Scripted("echo", rate=0.5)
    with pytest.raises(ConfigError):
        Scripted("table")
    for prompts in ("text", [()], [("user", "a")], [3], [[Message("user", "a")]]):
        with pytest.raises(ConfigError):
            Scripted().generate(prompts)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Message("robot", "a")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Message("user", None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "odd",
    [
        {"max_tokens": 0},
        {"max_tokens": True},
        {"n": 0},
        {"temperature": -1.0},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"seed": -1},
        {"seed": 1.0},
        {"stop": "ab"},
        {"stop": ("",)},
    ],
)
def test_odd_samplings_are_refused(odd: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="Sampling"):
        Sampling(**odd)  # type: ignore[arg-type]


def test_prompts_have_digests_and_seeds_of_their_own() -> None:
    prompts = ["a", "b", (Message("user", "a"),), (Message("system", "a"),), "a\ud800", "a\ufffd"]
    assert len({prompt_digest(prompt) for prompt in prompts}) == len(prompts)
    seeds = {derived_seed(seed, prompt, index) for seed in range(3) for prompt in prompts for index in range(3)}
    assert len(seeds) == 9 * len(prompts)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_texts() -> None:
    assert estimate("\ud800") == 1
    assert encodable("a\udfffb").encode() == "a\ufffdb".encode()
    for token in ("<|im_start|>", "<s>", "</s>", "[INST]", "[/INST]", "<|endoftext|>"):
        assert token not in defuse(f"x{token}y")
    assert defuse("a < b, x[0] <= 3 <- c") == "a < b, x[0] <= 3 <- c"


def test_usage_counts_cached_and_unknown_apart() -> None:
    done = Generation("a b", 2, 5, "stop")
    kept = Generation("a b", 2, 5, "stop", cached=True)
    unknown = Generation("a", None, 5, "stop")
    failed = Generation.failed(Fault("provider"))
    assert usage([done, kept, unknown, failed]) == usage([unknown, failed, kept, done])
    total = usage([done, kept, unknown, failed])
    assert (total.prompt, total.completion, total.cached, total.unknown) == (10, 2, 7, 1)
