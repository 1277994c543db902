"""The language-model solvers against scripted models whose behaviour is known."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.run import run
from guerdon.core import faultpoint
from guerdon.core.errors import ConfigError, ProviderError
from guerdon.core.recipe import recipe
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Answer, Case
from guerdon.ledger import Ledger, views
from guerdon.lm.prompts import text_of
from guerdon.lm.protocol import Model, Prompt
from guerdon.lm.scripted import Scripted
from guerdon.lm.shared import lend, opened
from guerdon.systems.programming_puzzles.challenge import ProgrammingPuzzles
from guerdon.systems.programming_puzzles.lm_prompts import rename
from guerdon.systems.programming_puzzles.lm_solver import LanguageModel
from guerdon.systems.programming_puzzles.stand_in import NUMBER, Families, StandIn, model_of, steps


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    script = StandIn()
    with lend("stand-in", model_of(script)):
        yield script


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompt", ["short", "medium", "long"])
def test_every_puzzle_gets_its_first_attempt_before_any_gets_its_second(stand_in: StandIn, prompt: Any) -> None:
    solver = LanguageModel(model="stand-in", prompt=prompt, attempts=5, batch=7)
    told = [item for _, items, _ in steps(solver, Families()) for item in items]
    assert len(told) == 12 * 5
    for start in range(0, 60, 12):
        assert len({item.task.id for item in told[start : start + 12]}) == 12
    assert [item.answer.note["sample"] for item in told] == [i // 12 for i in range(60)]
    assert len(set(stand_in.prompts)) == 12
    assert {item.answer.note["finish"] for item in told} == {"stop"}
    assert {item.answer.note["model"] for item in told} == {"stand-in"}
    assert all(item.answer.tokens > 0 for item in told)


def test_samples_of_one_puzzle_differ_within_and_between_asks() -> None:
    def number(prompt: Prompt, rng: np.random.Generator, index: int) -> str:
        return f"{rng.integers(10**9)})"

    with lend("numbers", Scripted(number)):
        solver = LanguageModel(model="numbers", prompt="short", attempts=12, batch=10)
        told = [item for _, items, _ in steps(solver, Families(families=1, size=3)) for item in items]
        again = [item for _, items, _ in steps(solver, Families(families=1, size=3)) for item in items]
        other = [item for _, items, _ in steps(solver, Families(families=1, size=3), seed=1) for item in items]
    codes = [item.answer.digest for item in told]
    assert len(set(codes)) == 36
    assert [item.answer for item in again] == [item.answer for item in told]
    assert not set(codes) & {item.answer.digest for item in other}


def test_a_solved_puzzle_is_left_alone_only_where_that_was_asked(stand_in: StandIn) -> None:
    stand_in.base = 0.5
    counts = {}
    for stop in (False, True):
        solver = LanguageModel(model="stand-in", attempts=8, batch=4, stop_when_solved=stop)
        *_, (_, _, state) = steps(solver, Families())
        counts[stop] = state["tried"]
        assert solver.progress(state)["solved"] == len(state["solved"]) > 6
    assert set(counts[False].values()) == {8}
    assert min(counts[True].values()) < 8


def test_what_is_no_source_is_recorded_as_it_came_and_is_judged_invalid() -> None:
    with lend("prose", Scripted("refuse")):
        told = [
            item
            for prompt in ("short", "medium", "bootstrap")
            for _, items, _ in steps(LanguageModel(model="prose", prompt=prompt, attempts=1), Families(families=1))
            for item in items
        ]
    assert len(told) == 12
    assert all(item.score.fault is not None and item.score.fault.kind is FaultKind.INVALID for item in told)
    assert all(item.answer.note["parsed"] is False for item in told)
    assert told[0].answer.content == {"text": "I'm sorry, but I can't help with that."}


def test_the_judge_of_the_challenge_calls_raw_text_invalid_without_running_it() -> None:
    from guerdon.systems.programming_puzzles.reward import Verified

    case = Case(next(iter(Families().tasks("main"))), Answer("F0:0", {"text": "0"}), {"verifier": "", "type": "int"})
    (score,) = Verified().judge([case])
    assert score.fault is not None
    assert score.fault.kind is FaultKind.INVALID


def test_chat_asks_in_messages_and_reads_a_fence() -> None:
    seen: list[Prompt] = []

    def reply(prompt: Prompt, rng: np.random.Generator, index: int) -> str:
        seen.append(prompt)
        *_, (number, _, secret) = NUMBER.findall(text_of(prompt))
        return f"Here you are:\n```python\ndef g{number}(family, secret):\n    return {secret}\n```\nEnjoy!"

    for prompt in ("medium", "long", "bootstrap"):
        with lend("chat", Scripted(reply)):
            solver = LanguageModel(model="chat", prompt=prompt, chat=True, attempts=2, iteration=1, batch=1)
            *_, (_, _, state) = steps(solver, Families())
        assert len(state["solved"]) == 12
    assert all(isinstance(each, tuple) for each in seen)
    assert "def g12(" in text_of(seen[-1])
    assert "def g13(" not in text_of(seen[-1])


def test_recipes_that_cannot_work_are_refused() -> None:
    wrongs: list[dict[str, Any]] = [
        {"prompt": "mediun"},
        {"chat": True, "prompt": "short"},
        {"attempts": 0},
        {"batch": 0},
        {"iteration": 0},
        {"context": 150},
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"max_tokens": 0},
    ]
    for wrong in wrongs:
        with pytest.raises(ConfigError):
            LanguageModel(**wrong)


def test_another_model_is_another_run() -> None:
    with lend("a", Scripted("empty")):
        one = recipe(LanguageModel(model="a"))
    with lend("a", Scripted("refuse")):
        two = recipe(LanguageModel(model="a"))
    assert {name for name in one if one[name] != two[name]} == {"fingerprint"}
    assert opened("scripted:empty") is opened("scripted:empty")


# ── bootstrapping ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_bootstrap_shows_only_what_it_has_solved_and_at_once(stand_in: StandIn) -> None:
    solver = LanguageModel(model="stand-in", prompt="bootstrap", attempts=16, iteration=4, batch=4)
    grew = False
    for state, told, after in steps(solver, Families()):
        assert len({item.task.id for item in told}) == 1
        assert told[0].task.id not in state["solved"]
        text = stand_in.prompts[-1]
        assert text.startswith("from typing import List\n\ndef f1(")
        assert text.count("assert ") == len(state["solved"]) == told[0].answer.note["examples"]
        names = [int(number) for number in re.findall(r"^def f(\d+)\(", text, re.M)]
        assert names == list(range(1, len(state["solved"]) + 2))
        shown = {secret for _, _, secret in NUMBER.findall(text)[:-1]}
        assert shown == {re.search(r"secret=(\d+)", code).group(1) for code in state["solved"].values()}  # type: ignore[union-attr]
        assert '"""' not in text
        grew = grew or len(after["solved"]) > len(state["solved"])
    assert grew


def test_bootstrap_takes_the_unsolved_in_a_new_order_each_iteration() -> None:
    with lend("never", Scripted("refuse")):
        solver = LanguageModel(model="never", prompt="bootstrap", attempts=6, iteration=2, batch=3)
        order = [item.task.id for _, items, _ in steps(solver, Families()) for item in items]
    rounds = [order[at : at + 24] for at in range(0, 72, 24)]
    for each in rounds:
        assert Counter(each) == {f"F{f}:{m}": 2 for f in range(3) for m in range(4)}
        assert each[::2] == each[1::2]
    assert len({tuple(each) for each in rounds}) == 3


def test_bootstrap_prompts_fit_the_context_and_are_shuffled_anew(stand_in: StandIn) -> None:
    stand_in.base = 0.9
    solver = LanguageModel(model="stand-in", prompt="bootstrap", attempts=40, iteration=1, batch=1, context=400)
    for _ in steps(solver, Families(families=10)):
        pass
    model = opened("stand-in").model
    sizes = model.count(stand_in.prompts)
    assert max(sizes) <= 250
    largest = max(text.count("assert ") for text in stand_in.prompts)
    assert 5 < largest < 20
    pair = max(model.count(["\n\n".join(text.split("\n\n")[1:4]) for text in stand_in.prompts[-9:]]))
    assert all(size > 250 - pair for size, text in zip(sizes, stand_in.prompts) if text.count("assert ") == largest)
    orders = [tuple(NUMBER.findall(text)[:3]) for text in stand_in.prompts[-9:]]
    assert len(set(orders)) == len(orders)


def test_bootstrap_is_the_same_after_every_save_and_load(tmp_path: Path) -> None:
    texts = []
    for folder in (None, tmp_path):
        script = StandIn(base=0.2, slope=0.1)
        with lend("stand-in", model_of(script)):
            solver = LanguageModel(model="stand-in", prompt="bootstrap", attempts=8, iteration=2, batch=3)
            texts.append(([told for _, told, _ in steps(solver, Families(), saved=folder)], script.prompts))
    assert texts[0] == texts[1]


# ── the bench ───────────────────────────────────────────────────────────────────────────────────────────────────────


class KilledError(BaseException):
    """Nothing may catch it."""


def record_of(book: Ledger, name: str) -> list[tuple[Any, ...]]:
    return [(a.id, a.step, a.answer, v.score if v else None) for a, v in book.judged(name)]


@pytest.mark.parametrize(
    "solver",
    [
        LanguageModel(model="flaky", prompt="short", attempts=4, batch=5),
        LanguageModel(model="flaky", prompt="medium", attempts=3, batch=8, stop_when_solved=True),
        LanguageModel(model="flaky", prompt="bootstrap", attempts=6, iteration=2, batch=3),
    ],
    ids=lambda solver: solver.prompt,
)
def test_a_run_killed_anywhere_ends_as_one_that_was_not(solver: LanguageModel, tmp_path: Path) -> None:
    script = StandIn(base=0.3, slope=0.1)

    def flaky(prompt: Prompt, rng: np.random.Generator, index: int) -> str | Fault:
        return Fault(FaultKind.PROVIDER, "HTTP 503") if rng.random() < 0.2 else script(prompt, rng, index)

    chance, deaths = random.Random(11), 0

    def die(place: str) -> None:
        nonlocal deaths
        if chance.random() < 0.1:
            deaths += 1
            raise KilledError

    with lend("flaky", Scripted(flaky, name="flaky")):
        with Ledger.open(tmp_path / "whole.db") as book:
            whole = record_of(book, run(solver, Families(), ledger=book, seed=11, checkpoint_s=0.0).id)
        faultpoint.hook = die
        try:
            for _ in range(200):
                with Ledger.open(tmp_path / "killed.db") as book:
                    try:
                        done = run(solver, Families(), ledger=book, seed=11, checkpoint_s=0.0)
                    except KilledError:
                        continue
                    assert done.status == "done"
                    assert record_of(book, done.id) == whole
                    break
            else:
                raise AssertionError("it never ended")
        finally:
            faultpoint.hook = None
    assert deaths > 3
    if not solver.stop_when_solved and solver.prompt != "bootstrap":
        assert Counter(answer.task for _, _, answer, _ in whole) == {
            f"F{f}:{m}": solver.attempts for f in range(3) for m in range(4)
        }


def test_pass_at_k_is_unbiased_over_equal_numbers_of_samples(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.base = 0.25
    solver = LanguageModel(model="stand-in", prompt="short", attempts=20, batch=32)
    with Ledger.open(tmp_path / "g.db") as book:
        done = run(solver, Families(families=10, size=5), ledger=book, seed=11)
        solved = Counter(a.answer.task for a, v in book.judged(done.id) if v and v.score.value == 1.0)
        for k in (1, 5):
            by_hand = np.mean([1 - math.comb(20 - solved[t], k) / math.comb(20, k) for t in _ids(10, 5)])
            (found,) = views.pass_at_k(book, done.id, [k])
            assert found.value == pytest.approx(by_hand)
            # 1000 draws: three standard errors of the mean over 50 puzzles
            assert abs(by_hand - (1 - 0.75**k)) < 3 * 0.5 / math.sqrt(50)


def _ids(families: int, size: int) -> list[str]:
    return [f"F{f}:{m}" for f in range(families) for m in range(size)]


# ── faults of the provider ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_fault_of_the_provider_is_asked_again_and_is_no_wrong_answer() -> None:
    script = StandIn(base=1.0)

    def flaky(prompt: Prompt, rng: np.random.Generator, index: int) -> str | Fault:
        return Fault(FaultKind.PROVIDER, "HTTP 503") if rng.random() < 0.3 else script(prompt, rng, index)

    with lend("flaky", Scripted(flaky)):
        solver = LanguageModel(model="flaky", prompt="short", attempts=10, batch=16)
        results = list(steps(solver, Families()))
    told = [item for _, items, _ in results for item in items]
    assert Counter(item.task.id for item in told) == dict.fromkeys(_ids(3, 4), 10)
    assert {item.score.value for item in told} == {1.0}
    assert all("fault" not in item.answer.note for item in told)
    for task in _ids(3, 4):
        assert [item.answer.note["sample"] for item in told if item.task.id == task] == list(range(10))
    assert results[-1][2]["lost"] == {}


def test_a_provider_that_gives_nothing_stops_the_run_with_its_reason() -> None:
    with lend("down", Scripted("flaky", rate=1.0)):
        solver = LanguageModel(model="down", attempts=2)
        with pytest.raises(ProviderError, match="the script said so"):
            list(steps(solver, Families()))


@pytest.mark.parametrize("prompt", ["short", "bootstrap"])
def test_a_puzzle_that_the_provider_always_refuses_holds_up_no_other_and_is_counted(prompt: Any) -> None:
    script = StandIn(base=0.1)

    def picky(prompt: Prompt, rng: np.random.Generator, index: int) -> str | Fault:
        refused = NUMBER.findall(text_of(prompt))[-1][2] == "2"
        return Fault(FaultKind.PROVIDER, "HTTP 451") if refused else script(prompt, rng, index)

    with lend("picky", Scripted(picky)):
        solver = LanguageModel(model="picky", prompt=prompt, attempts=40, batch=8, iteration=8)
        loop, states = steps(solver, Families(families=1, size=6)), []
        with contextlib.suppress(ProviderError):  # raised if nothing else is left
            for _, told, state in loop:
                assert all(item.task.id != "F0:2" for item in told)
                states.append(state)
    last = states[-1]
    assert all(last["tried"][task] == 40 or task in last["solved"] for task in _ids(1, 6) if task != "F0:2")
    assert last["lost"]["F0:2"] > 0
    assert solver.progress(last)["lost"] == last["lost"]["F0:2"]


def test_a_prompt_too_long_for_the_model_is_an_attempt_that_failed() -> None:
    with lend("narrow", Scripted(StandIn(base=1.0), context=20)):
        solver = LanguageModel(model="narrow", prompt="medium", attempts=2)
        told = [item for _, items, _ in steps(solver, Families()) for item in items]
    assert len(told) == 24
    assert all("shorten the prompt" in str(item.answer.note["fault"]) for item in told)
    assert {item.score.value for item in told} == {None}


def test_tokens_that_the_provider_did_not_count_are_not_made_up() -> None:
    from guerdon.lm.protocol import Generation

    with lend("mute", Scripted(lambda prompt, rng, index: Generation("1)", None, None, "length"))):
        told = [
            i
            for _, items, _ in steps(LanguageModel(model="mute", prompt="short", attempts=1), Families())
            for i in items
        ]
    assert all("tokens" not in item.answer.note and item.answer.note["finish"] == "length" for item in told)


# ── the real judge ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chat", [False, True])
def test_references_are_accepted_after_asking_and_reading(chat: bool, tmp_path: Path) -> None:
    challenge = ProgrammingPuzzles(one_per_problem=True, modules=("basic", "strings", "graphs"), seconds=20.0)
    known = {
        rename(puzzle.sat, "sat", "f6"): puzzle.sol_header.replace("sol", "g6", 1) + "\n" + puzzle.sol_bodies[0]
        for puzzle in challenge.puzzles()
    }

    def oracle(prompt: Prompt, rng: np.random.Generator, index: int) -> str:
        text = text_of(prompt)
        whole = next(solution for sat, solution in known.items() if f"{sat}\n" in text)
        return f"```python\n{whole}\n```" if chat else whole.partition(":\n")[2].join(("\n", "\n\nassert f6(g6())"))

    with lend("oracle", Scripted(oracle)), Ledger.open(tmp_path / "g.db") as book:
        solver = LanguageModel(model="oracle", prompt="medium", chat=chat, attempts=1, max_tokens=2000, context=9999)
        done = run(solver, challenge, ledger=book)
        scores = {
            attempt.answer.task: verdict.score.value if verdict else None for attempt, verdict in book.judged(done.id)
        }
    assert len(scores) == len(known) > 40
    assert {task: score for task, score in scores.items() if score != 1.0} == {}


# ── a real model ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_small_real_model_answers_in_every_style(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from guerdon.lm import weights

    if "smollm2" not in weights.installed():
        pytest.skip("its weights are not installed")
    from guerdon.lm.opening import open_model

    model: Model = open_model("smollm2")
    with model, lend("small", model), Ledger.open(tmp_path / "real.db") as book:
        for prompt, chat in itertools.product(("short", "medium", "long", "bootstrap"), (False, True)):
            if chat and prompt == "short":
                continue
            solver = LanguageModel(model="small", prompt=prompt, chat=chat, attempts=1)  # type: ignore[arg-type]
            done = run(solver, ProgrammingPuzzles(modules=("basic",), one_per_problem=True, limit=5), ledger=book)
            rows = book.judged(done.id)
            assert len(rows) >= 5
            assert all(verdict is not None for _, verdict in rows)
            assert any(attempt.answer.note["parsed"] for attempt, _ in rows)
