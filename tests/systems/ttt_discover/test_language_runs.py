"""Whole runs without training: a scripted model, and a server that speaks the OpenAI protocol."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.run import run
from guerdon.core.errors import ProviderError
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind
from guerdon.ledger import Ledger
from guerdon.lm import Endpoint, Generation, Scripted
from guerdon.lm.prompts import text_of
from guerdon.lm.shared import lend
from guerdon.systems.ttt_discover.language.prompts import REMINDER
from guerdon.systems.ttt_discover.language.solver import TttDiscoverLm
from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap
from guerdon.systems.ttt_discover.proposer import Start

_spec = importlib.util.spec_from_file_location("ttt_lm_fake", Path(__file__).parents[2] / "lm" / "fake_server.py")
assert _spec is not None
assert _spec.loader is not None
fakes = importlib.util.module_from_spec(_spec)
sys.modules["ttt_lm_fake"] = fakes
_spec.loader.exec_module(fakes)

[TASK] = ErdosOverlap().tasks("main")
START = Start({"construction": [0.5] * 40}, -0.5)
# A climber: moves mass between two steps of the construction that it was given, and keeps what is better.
CLIMB = """The current one is far from flat, so I move mass.
```python
import numpy as np

def c5(h):
    return float(np.correlate(h, 1 - h, "full").max() * 2 / len(h))

def run(seed, budget_s):
    rng = np.random.default_rng(SEED)
    best = np.array(initial_h_values) * (len(initial_h_values) / 2 / sum(initial_h_values))
    for _ in range(150):
        h = best.copy()
        i, j = rng.integers(len(h), size=2)
        move = min(rng.uniform(0, 0.2), h[i], 1 - h[j])
        h[i] -= move
        h[j] += move
        if c5(h) < c5(best):
            best = h
    print("c5", c5(best))
    return np.clip(best, 0, 1).tolist()
```"""
REPLIES = (
    CLIMB,
    "I cannot.",
    "```python\ndef run():\n    while True:\n        pass\n```",
    "```python\ndef run():\n    return [0.5] * 40, 0.1  # and claim 0.1\n```",
    "```python\ndef run():\n    return 'better than any'\n```",
)


def replies(prompt: Any, rng: np.random.Generator, index: int) -> str:
    return REPLIES[index % len(REPLIES)].replace("SEED", str(int(rng.integers(1000))))


def frozen(**settings: Any) -> TttDiscoverLm:
    given = {"model": "mine", "objective": "none", "groups": 2, "rollouts": 5, "budget_s": 0.5, "kill_s": 1}
    return TttDiscoverLm(**{**given, **settings})  # type: ignore[arg-type]


def test_a_scripted_model_goes_through_the_whole_loop(tmp_path: Path) -> None:
    with lend("mine", Scripted(replies)), Ledger.open(tmp_path / "l.db") as ledger:
        done = run(frozen(steps=3), ErdosOverlap(), ledger=ledger, seed=1, budget=1000)
        judged = list(ledger.judged(done.id))
    assert done.status == "done"
    rows = [(attempt.answer, verdict.score) for attempt, verdict in judged if verdict]
    by_step: dict[int, list[float]] = {}
    for answer, score in rows:
        code, fault = answer.content.get("code"), answer.note.get("fault", "")  # type: ignore[union-attr]
        if answer.note.get("seed"):
            continue
        if "rng.integers" in str(code):
            assert score.value is not None
            by_step.setdefault(int(str(answer.note["step"])), []).append(score.parts["c5"])
            assert str(answer.note["output"]).startswith("c5 0.")
        elif code and "while True" in str(code):
            assert fault.startswith("timeout")
            assert "timeout" in str(score.fault)
            assert score.value is None
        elif code and "claim" in str(code):
            assert score.value == 2.0  # what it is worth, not what it says
        else:
            assert score.value is None
            assert score.fault is not None
            assert score.fault.whose == "solver"
    best = [min(by_step[step]) for step in range(3)]
    assert best == sorted(best, reverse=True)  # attempts start from what was reached
    assert best[-1] < best[0] - 0.005
    assert len(rows) == 2 + 3 * 10
    tokens = {answer.note["tokens"] for answer, _ in rows if not answer.note.get("seed")}
    assert all(isinstance(each, int) and each > 100 for each in tokens)


def test_later_prompts_show_what_the_start_was_made_by(tmp_path: Path) -> None:
    seen: list[str] = []

    def script(prompt: Any, rng: np.random.Generator, index: int) -> str:
        seen.append(text_of(prompt))
        return CLIMB.replace("SEED", str(int(rng.integers(1000))))

    with lend("mine", Scripted(script)), Ledger.open(tmp_path / "l.db") as ledger:
        run(frozen(steps=2, groups=1, rollouts=2), ErdosOverlap(), ledger=ledger, seed=1, budget=1000)
    first, second = seen[0], seen[-1]
    assert "current program" not in first
    assert "move = min(rng.uniform(0, 0.2), h[i], 1 - h[j])" in second
    assert "c5 before and after the current program: 0." in second
    assert "The end of what it printed:\n```\nc5 0." in second
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]


def test_what_a_host_failed_to_give_is_left_out_and_nothing_at_all_is_an_error() -> None:
    def flaky(prompt: Any, rng: np.random.Generator, index: int) -> str | Fault:
        return Fault(FaultKind.PROVIDER, "HTTP 500") if index % 2 else "I cannot."

    with lend("mine", Scripted(flaky)):
        [drafts] = frozen().proposer(TASK).propose(TASK, None, [START], 5, 0.0, stream(1))
        assert len(drafts) == 3
    with lend("mine", Scripted("flaky", rate=1.0)), pytest.raises(ProviderError, match="script said"):
        frozen().proposer(TASK).propose(TASK, None, [START], 5, 0.0, stream(1))


def test_a_text_model_that_is_cut_off_is_asked_for_its_program() -> None:
    asked: list[Any] = []

    def cut(prompt: Any, rng: np.random.Generator, index: int) -> str | Generation:
        asked.append(prompt)
        if prompt[-1].content == REMINDER:
            return "```python\ndef run(): return [0.5] * 4\n```"
        return Generation("Hm, let me", 3, None, "length", (-1.0, -1.0, -1.0))

    with lend("mine", Scripted(cut)):
        [[draft]] = frozen().proposer(TASK).propose(TASK, None, [START], 1, 0.0, stream(1))
    assert isinstance(draft.content, dict)
    assert draft.content["construction"] == [0.5] * 4
    assert draft.note["forced"] is True
    assert [turn.role for turn in asked[1]] == ["user", "assistant", "user"]
    assert asked[1][1].content == "Hm, let me"


def test_a_text_model_with_a_mark_is_read_after_it() -> None:
    reply = "```python\ndef run(): return [1]\n```</think>```python\nno\n```\n\n```python\ndef run(): return [0.5]\n```"
    with lend("mine", Scripted(lambda prompt, rng, index: reply)):
        some = frozen(thinking_end="</think>").proposer(TASK)
        [[draft]] = some.propose(TASK, None, [START], 1, 0.0, stream(1))
    assert isinstance(draft.content, dict)
    assert draft.content["construction"] == [0.5]


def test_a_frozen_run_in_two_parts_is_the_run_in_one(tmp_path: Path) -> None:
    def recorded(path: Path, budget: int) -> list[Any]:
        with Ledger.open(path) as ledger:
            done = run(frozen(steps=2), ErdosOverlap(), ledger=ledger, seed=1, budget=budget, checkpoint_s=0.0)
            return [(row.step, row.answer.content, row.answer.note.get("start")) for row in ledger.attempts(done.id)]

    quick = [reply for reply in REPLIES if "while True" not in reply]
    with lend("mine", Scripted(lambda prompt, rng, index: quick[index % 4].replace("SEED", "7"))):
        whole = recorded(tmp_path / "whole.db", 1000)
        assert recorded(tmp_path / "parts.db", 12) == whole[:12]
        assert recorded(tmp_path / "parts.db", 1000) == whole


@pytest.mark.parametrize("reuse", ["none", "mu-plus-lambda", "epsilon-greedy"])
def test_a_frozen_model_serves_the_other_rules_of_reuse(reuse: Any, tmp_path: Path) -> None:
    """Best-of-N starts from fresh seeds each time; the others from what was made."""
    seen: list[str] = []

    def script(prompt: Any, rng: np.random.Generator, index: int) -> str:
        seen.append(text_of(prompt))
        return CLIMB.replace("SEED", str(int(rng.integers(1000))))

    with lend("mine", Scripted(script)), Ledger.open(tmp_path / "l.db") as ledger:
        some = frozen(steps=2, groups=2, rollouts=2, reuse=reuse, mu=1, epsilon=0.0)
        done = run(some, ErdosOverlap(), ledger=ledger, seed=1, budget=1000)
        seeds = sum(bool(row.answer.note.get("seed")) for row in ledger.attempts(done.id))
    shown = ["The current program:" in each for each in seen]
    assert shown == [False] * 4 + [reuse != "none"] * 4
    assert seeds == (4 if reuse == "none" else 2)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def program(handler: Any, body: dict[str, Any]) -> None:
        data = fakes.payload(body)
        for at, choice in enumerate(data["choices"]):
            value = 0.4 + 0.1 * (at % 2)
            text = f"```python\ndef run(): return [{value}, {1 - value}, {1 - value}, {value}]\n```"
            choice["message"]["content"] = text
        handler.json(data)

    monkeypatch.setitem(fakes.BEHAVIOURS, "program", program)
    with fakes.FakeServer(usual="program") as fake:
        yield fake


def test_a_server_makes_attempts_and_its_log_probabilities_are_recorded(server: Any, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        some = frozen(model=f"{server.url}#served-1", steps=2, rollouts=4, reasoning="high")
        done = run(some, ErdosOverlap(), ledger=ledger, seed=1, budget=1000)
        rows = [(attempt.answer, verdict.score) for attempt, verdict in ledger.judged(done.id) if verdict]
    made = [(answer, score) for answer, score in rows if not answer.note.get("seed")]
    assert len(made) == 16
    assert {round(score.parts["c5"], 6) for _, score in made} == {0.48, 0.5}
    for answer, _ in made:
        action = answer.note["action"]
        assert answer.note["logprob"] == -1.5
        assert isinstance(action, dict)
        assert isinstance(action["logprobs"], str)
    assert sum(answer.tokens for answer, _ in made) == 4 * 7 + 16 * 2  # prompts are paid once per request
    assert {body["path"] for body in server.asked} == {"/v1/chat/completions"}
    for body in server.asked:
        assert body["temperature"] == 1.0
        assert body["top_p"] == 1.0
        assert body["logprobs"] is True
        assert body["n"] == 4
        assert body["reasoning_effort"] == "high"


def test_a_server_that_fails_now_and_then_costs_nothing_but_time(server: Any) -> None:
    server.plan[:] = ["500", "429", "program"]
    with lend("mine", Endpoint(server.url, "served-1")):
        [drafts] = frozen().proposer(TASK).propose(TASK, None, [START], 2, 0.0, stream(1))
    assert [json.dumps(draft.content["code"])[:12] for draft in drafts] == ['"def run(): '] * 2  # type: ignore[index,call-overload]
