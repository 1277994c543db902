"""Attacks by answers for which a judge says what cannot be recorded, or quotes a key in another form than its own."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hosting_helpers import FREE, OneFile, contest, person

from guerdon import Answer, Case, Reward, Score, Task
from guerdon.bench.workers import Reply
from guerdon.hosting import Host, Phase, State, Verdict
from guerdon.hosting.evaluate import Evaluator, Guarded
from guerdon.hosting.worker import Worker

ODD: dict[str, Any] = {
    "nan": math.nan, "inf": math.inf, "text": "x", "none": None, "huge": 10**400, "list": [1.0], "yes": True, 3: 2.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Odd(Reward):
    """Says of an answer what the answer says."""

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        content: Any = [case.answer.content for case in cases]
        return [Score(0.5, ODD, spread=math.nan, tokens=(0.5, each)) for each in content]


def cases_of(*contents: Any, key: Any = None) -> list[Case]:
    return [Case(Task(f"t{i}", {}), Answer(f"t{i}", content), key) for i, content in enumerate(contents)]


def test_what_cannot_be_recorded_is_left_out_and_the_score_counts() -> None:
    first, second = Guarded(inner=Odd())(cases_of(1.0, math.nan))
    assert (first.value, first.parts, first.spread, first.tokens) == (0.5, {"yes": 1.0, "3": 2.0}, None, (0.5, 1.0))
    assert second.tokens is None


def test_an_odd_part_stops_no_worker(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        """Judges in this process."""

        def __init__(self, judge: Guarded, seconds: float) -> None:
            self.judge = Guarded(inner=Odd())

        def evaluate(self, cases: Sequence[Case], stopped: Any) -> Reply:
            return Reply(self.judge(cases))

        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.setattr("guerdon.hosting.worker.Evaluator", Here)
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    ann = person(host, "Ann")
    item = host.submissions.submit(ann, "numbers", "open", b"1")
    assert Worker(host).run(drain=True) == 1
    found = host.submissions.get(ann, item.id)
    assert found.state is State.DONE
    assert found.score is not None
    assert found.score.parts == {"yes": 1.0, "3": 2.0}


def test_an_odd_part_that_was_recorded_takes_no_page_with_it(host: Host) -> None:
    """As `guerdon rejudge` may have written it."""
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    ann = person(host, "Ann")
    odd = {"text": "x", "none": None, "huge": 10**400, "fine": 0.25}
    item = host.submissions.submit(ann, "numbers", "open", b"1")
    lease = host.queue.lease("w")
    assert lease is not None
    host.queue.finish(lease, Verdict([Score(0.5, odd)], "judge"))
    score = host.submissions.get(ann, item.id).score
    assert score is not None
    assert score.parts == {"fine": 0.25}
    assert host.board("numbers", "open", ann).rows[0].parts == {"fine": 0.25}


@dataclass(frozen=True, kw_only=True)
class Quotes(Reward):
    """Fails with its key in a message, in the way that the answer names."""

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        way, key = str(cases[0].answer.content), cases[0].key["label"]  # type: ignore[index]
        said = {"plain": key, "repr": repr(key), "json": json.dumps(key), "cut": f"wanted {key}", "twice": key + key}
        raise ValueError(said[way])


@pytest.mark.parametrize("way", ["plain", "repr", "json", "cut", "twice"])
@pytest.mark.parametrize(
    "key",
    ["swordfish of the deep", "swordfish\nof the\tdeep", "swordfish of the d\u00e9\u00e9p", "sword'fish\" of the deep",
     "swordfish of the deep, " * 40],
)  # fmt: skip
def test_a_key_is_cut_out_however_it_is_quoted(way: str, key: str) -> None:
    (score,) = Guarded(inner=Quotes())(cases_of(way, key={"label": key}))
    assert score.fault is not None
    assert "[key]" in score.fault.detail
    for piece in ("sword", "fish", "deep", "p, sw"):
        assert piece not in score.fault.detail


def test_a_message_that_shares_a_word_with_a_key_stays() -> None:
    assert "wanted a number" in str(Guarded(inner=Says())(cases_of(1, key={"label": "wanted a fish"}))[0].fault)


@dataclass(frozen=True, kw_only=True)
class Says(Reward):
    def judge(self, cases: Sequence[Case]) -> list[Score]:
        raise ValueError("wanted a number")


@dataclass(frozen=True, kw_only=True)
class Spared(Reward):
    """How soon the kernel would end whoever judges, where memory runs out: 1 is first."""

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        return [Score(int(Path("/proc/self/oom_score_adj").read_text()) / 1000) for _ in cases]


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux")
def test_where_memory_runs_out_the_judge_goes_first_and_the_host_stays() -> None:
    before = Path("/proc/self/oom_score_adj").read_text()
    evaluator = Evaluator(Guarded(inner=Spared()), 60.0)
    try:
        (score,) = evaluator.evaluate(cases_of(1), lambda: False).scores
    finally:
        evaluator.close()
    assert score.value == 1.0
    assert Path("/proc/self/oom_score_adj").read_text() == before
