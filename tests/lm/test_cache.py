from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from lm_fake import FakeServer

from guerdon.core.errors import ConfigError
from guerdon.core.score import Fault
from guerdon.lm import Endpoint, Message, Model, Sampling, Scripted, cached, usage
from guerdon.lm.retry import Retry


class Counted(Scripted):
    """Knows what it was asked."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.asked: list[Any] = []

    def generate(self, prompts: Any, sampling: Sampling = Sampling()) -> Any:  # noqa: B008
        self.asked += prompts
        return super().generate(prompts, sampling)

    def score(self, pairs: Any) -> Any:
        self.asked += pairs
        return super().score(pairs)


def test_a_hit_asks_nothing_and_keeps_the_recorded_tokens(tmp_path: Path) -> None:
    model = Counted("off-menu")
    with cached(model, tmp_path) as kept:
        assert isinstance(kept, Model)
        first = kept.generate(["a", "b"], Sampling(n=3, logprobs=True))
        second = kept.generate(["b", "c", "a"], Sampling(n=3, logprobs=True))
    assert model.asked == ["a", "b", "c"]
    assert [each.text for each in second[2]] == [each.text for each in first[0]]
    assert [each.logprobs for each in second[2]] == [each.logprobs for each in first[0]]
    assert [group[0].cached for group in second] == [True, False, True]
    assert usage(second[2]).completion == 0
    assert usage(second[2]).cached == usage(first[0]).completion + usage(first[0]).prompt


def test_two_models_never_share(tmp_path: Path) -> None:
    """The answers of one model were once served as another's (lm-evaluation-harness 4063)."""
    file = tmp_path / "one.sqlite"
    with cached(Scripted("refuse"), file) as one, cached(Scripted("echo"), file) as two:
        assert one.generate(["hello"])[0][0].text != two.generate(["hello"])[0][0].text
        assert not two.generate(["other"])[0][0].cached
        assert one.score([("a", "b")])[0].cached is two.score([("a", "b")])[0].cached is False
    with cached(Scripted("echo", name="renamed"), file) as three:
        assert not three.generate(["hello"])[0][0].cached


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 255},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"top_k": 3},
        {"n": 2},
        {"stop": ("x",)},
        {"seed": 1},
        {"logprobs": True},
    ],
)
def test_every_field_of_the_sampling_is_in_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    with cached(Scripted("echo"), tmp_path) as kept:
        kept.generate(["hello"])
        assert not kept.generate(["hello"], Sampling(**change))[0][0].cached
        assert kept.generate(["hello"])[0][0].cached


def test_the_whole_prompt_is_in_the_key(tmp_path: Path) -> None:
    prompts = [
        "a",
        (Message("user", "a"),),
        (Message("system", "a"),),
        (Message("user", "a"), Message("user", "")),
        "a ",
    ]
    with cached(Scripted("echo"), tmp_path) as kept:
        for prompt in prompts:
            assert not kept.generate([prompt])[0][0].cached


def test_faults_are_never_kept(tmp_path: Path) -> None:
    broken = True

    def script(prompt: Any, rng: Any, index: int) -> Any:
        return Fault("provider", "down") if broken and index == 1 else "fine"

    model = Scripted(script)
    model.digest = "fixed"
    with cached(model, tmp_path) as kept:
        assert kept.generate(["a"], Sampling(n=2))[0][1].fault is not None
        broken = False
        mended = kept.generate(["a"], Sampling(n=2))[0]
        assert [each.fault for each in mended] == [None, None]
        assert not mended[0].cached
        assert all(each.cached for each in kept.generate(["a"], Sampling(n=2))[0])


def test_the_same_prompt_twice_in_a_batch_is_asked_for_once(tmp_path: Path) -> None:
    model = Counted("off-menu")
    with cached(model, tmp_path) as kept:
        made = kept.generate(["a", "a", "b"])
        assert model.asked == ["a", "b"]
        assert [group[0].cached for group in made] == [False, True, False]
        assert made[0][0].text == made[1][0].text


def test_scores_are_kept(tmp_path: Path) -> None:
    model = Counted("echo")
    pairs = [("a", "b c"), ("a", "b"), ((Message("user", "a"),), "b c")]
    with cached(model, tmp_path) as kept:
        first = kept.score(pairs)
        second = kept.score(pairs[::-1])[::-1]
    assert model.asked == pairs
    assert [each.per_token for each in first] == [each.per_token for each in second]
    assert all(each.cached for each in second)


@pytest.mark.parametrize(
    "text", ["a\ud800b", "nul \0", "\ufeff\u202e", "e\u0301 é", "\x1b[0m", "a" + "\u0301" * 10_000]
)
def test_odd_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    with cached(Scripted("echo"), tmp_path) as kept:
        assert [kept.generate([text])[0][0].text for _ in range(2)] == [text, text]


def test_another_model_behind_the_same_url_is_a_miss(tmp_path: Path) -> None:
    retry = Retry(attempts=1)
    with FakeServer() as server:
        with cached(Endpoint(server.url, "m", retry=retry), tmp_path) as kept:
            assert [kept.generate(["a"])[0][0].cached for _ in range(2)] == [False, True]
        server.usual = "other model"
        with cached(Endpoint(server.url, "m", retry=retry), tmp_path) as kept:
            made = kept.generate(["a"])[0][0]
            assert (made.cached, made.model) == (False, "served-2")
            assert kept.generate(["a"])[0][0].cached
        server.usual = "500"
        with cached(Endpoint(server.url, "m", retry=retry), tmp_path) as kept:
            assert kept.generate(["a"])[0][0].cached  # nobody says that it is another one


WORK = """
import sys
from guerdon.lm import Scripted, cached
with cached(Scripted("echo"), sys.argv[1]) as kept:
    for at in range(20):
        made = kept.generate([f"{at}", f"{sys.argv[2]}.{at}"])
        assert [group[0].text for group in made] == [f"{at}", f"{sys.argv[2]}.{at}"]
"""


def test_several_processes_and_threads_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "shared.sqlite"
    jobs = [subprocess.Popen([sys.executable, "-c", WORK, str(file), str(job)]) for job in range(2)]
    with cached(Scripted("echo"), file) as kept:
        threads = [threading.Thread(target=kept.generate, args=([f"{at}", f"t.{at}"],)) for at in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [job.wait() for job in jobs] == [0, 0]
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (80,)


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_text("not a data base, but long enough to be looked at as if it were one" * 20)
    with cached(Scripted("echo"), file) as kept, pytest.raises(ConfigError, match="SQLite"):
        kept.generate(["a"])
