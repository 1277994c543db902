"""The real small model, both ways. The weights come over the network once; skipped where they cannot."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from guerdon.core.errors import ProviderError
from guerdon.lm import Embedded, Message, Sampling, Torch, open_model, weights

pytestmark = pytest.mark.slow
pytest.importorskip("xllamacpp")

CHAT = (Message("user", "Name the capital of France."),)
PAIRS: list[Any] = [
    ("The capital of France is", " Paris, and it is large."),
    ("The capital of France is", " purple monkeys"),
    (CHAT, "The capital of France is Paris."),
    ("Once upon a time", ", there was a little girl"),
    ("1, 2, 3, 4,", " 5, 6, 7, 8"),
    ("ASCII and more:", " naïve 日本 <|im_end|>"),
]
# Both read the same 4-bit weights, but llama.cpp also rounds activations to 8 bits and keys and values to 16.
ONE, MEAN = 0.5, 0.15  # nats per token: of the worst token (rare ones differ most), and on average


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    try:
        weights.get("smollm2")
    except ProviderError as error:
        pytest.skip(str(error))
    with open_model("smollm2") as model:
        assert isinstance(model, Embedded)
        yield model


@pytest.fixture(scope="module")
def policy(embedded: Embedded) -> Iterator[Torch]:
    torch = pytest.importorskip("torch")
    pytest.importorskip("gguf")
    torch.set_num_threads(1)
    with open_model("torch:smollm2", device="cpu") as model:
        assert isinstance(model, Torch)
        yield model


def test_it_speaks(embedded: Embedded) -> None:
    made = embedded.generate([CHAT, "1, 2, 3, 4,"], Sampling(n=2, max_tokens=12, logprobs=True))
    for group in made:
        for each in group:
            assert each.fault is None
            assert each.tokens is not None
            assert 0 < each.tokens <= 12
            assert each.logprobs is not None
            assert len(each.logprobs) == each.tokens
            assert each.model == "smollm2"
    assert made[0][0].text != made[0][1].text
    assert embedded.generate(["1, 2, 3, 4,"], Sampling(temperature=0.0, max_tokens=6))[0][0].text == " 5, 6,"
    assert embedded.context == 2048
    assert embedded.count(["hello world", ""]) == [2, 0]


def test_a_seed_fixes_a_sample() -> None:
    with Embedded(parallel=1, reuse=False) as model:
        sampling = Sampling(n=2, max_tokens=16, seed=7)
        first = model.generate([CHAT, "Once upon a time"], sampling)
        again = model.generate(["Once upon a time", CHAT], sampling)[::-1]
        assert [[each.text for each in group] for group in first] == [[each.text for each in group] for group in again]


def test_a_prompt_over_the_context_is_a_fault_of_its_own(embedded: Embedded) -> None:
    long, short = (each[0] for each in embedded.generate(["x " * 3000, "a"], Sampling(max_tokens=2)))
    assert long.fault is not None
    assert long.fault.whose == "solver"
    assert short.fault is None
    assert embedded.score([("x " * 3000, "a")])[0].fault is not None


@pytest.mark.parametrize("text", ["a\ud800b", "nul \0 x", "\u202eabc", "a" + "\u0301" * 500, "\x1b[31m"])
def test_odd_text_does_no_harm(embedded: Embedded, text: str) -> None:
    assert embedded.generate([text, (Message("user", text),)], Sampling(max_tokens=2))[0][0].fault is None


def test_only_who_knows_the_key_is_served(embedded: Embedded) -> None:
    import httpx

    assert httpx.post(f"{embedded.url}/completions", json={"prompt": "a"}, trust_env=False).status_code == 401


def test_both_ways_of_running_it_agree(embedded: Embedded, policy: Torch) -> None:
    gaps: list[float] = []
    for ours, theirs in zip(policy.score(PAIRS), embedded.score(PAIRS), strict=True):
        assert ours.fault is None
        assert theirs.fault is None
        assert ours.per_token == pytest.approx(theirs.per_token, abs=ONE)
        assert ours.per_token is not None
        assert theirs.per_token is not None
        gaps += [abs(a - b) for a, b in zip(ours.per_token, theirs.per_token, strict=True)]
        assert ours.tokens == theirs.tokens
    assert sum(gaps) / len(gaps) < MEAN
    greedy = Sampling(temperature=0.0, max_tokens=8)
    for prompt in ("1, 2, 3, 4,", "Monday, Tuesday, Wednesday,"):
        assert policy.generate([prompt], greedy)[0][0].text == embedded.generate([prompt], greedy)[0][0].text
    texts = ["hello world", "", "naïve 日本", "a  b\n\nc"]
    assert policy.count(texts) == embedded.count(texts)
    chat = [each.generate([CHAT], Sampling(max_tokens=1))[0][0].prompt_tokens for each in (policy, embedded)]
    assert chat[0] == chat[1]


def test_scores_of_the_transformers_model_do_not_depend_on_the_batch(policy: Torch) -> None:
    alone = [policy.score([pair])[0] for pair in PAIRS]
    for many, one in zip(policy.score(PAIRS), alone, strict=True):
        assert many.per_token == pytest.approx(one.per_token, abs=1e-4)


def test_it_is_silent_and_ends_with_the_process(embedded: Embedded) -> None:
    code = "from guerdon.lm import Embedded; m = Embedded(); print(m.generate(['1, 2, 3,'])[0][0].fault)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_closing_ends_its_threads() -> None:
    before = threading.active_count()
    model = Embedded(context=256, parallel=1)
    model.generate(["a"], Sampling(max_tokens=1))
    model.close()
    model.close()
    assert threading.active_count() == before


def test_a_file_that_is_no_model_is_refused(tmp_path: Any) -> None:
    from guerdon.core.errors import ConfigError

    (tmp_path / "bad.gguf").write_bytes(b"GGUF nonsense")
    for bad in (tmp_path / "bad.gguf", tmp_path / "missing.gguf"):
        with pytest.raises(ConfigError, match="GGUF"):
            Embedded(bad)
