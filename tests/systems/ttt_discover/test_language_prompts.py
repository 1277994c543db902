"""Prompts, programs in replies, and running them: against written-out expectations and hostile programs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.sandbox import Limits as SandboxLimits
from guerdon.systems.ttt_discover.language import forms
from guerdon.systems.ttt_discover.language.forms import Form, form_of
from guerdon.systems.ttt_discover.language.programs import run_programs
from guerdon.systems.ttt_discover.language.prompts import Block, Limits, block_in, fenced, prompt_for
from guerdon.systems.ttt_discover.problems.autocorrelation import Autocorrelation1
from guerdon.systems.ttt_discover.problems.circle_packing import CirclePacking
from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap
from guerdon.systems.ttt_discover.proposer import Start

LIMITS = Limits(seconds=1000, kill_s=1100, memory_mb=1024, imports=("numpy", "scipy"))
[ERDOS] = ErdosOverlap().tasks("main")
[PACKING] = CirclePacking().tasks("main")


def text(start: Start, task: Task = ERDOS, target: float | None = 0.38) -> str:
    [message] = prompt_for(task, form_of(task), start, LIMITS, target)
    assert message.role == "user"
    return message.content


def ran(*programs: str, given: Any = None, wall_s: float = 5.0, form: Form | None = None) -> list[Any]:
    limits = SandboxLimits(wall_s=wall_s, memory_mb=512, result_kb=4096)
    pairs = [(each, given) for each in programs]
    return run_programs(pairs, form or Form(), limits, budget_s=0.5, imports=["numpy", "scipy"])


def test_a_prompt_holds_everything_but_the_construction() -> None:
    content = {"code": "def run():\n    return [0.123456]", "construction": [0.123456] * 37}
    said = text(Start(content, -0.39, -0.41, {"output": "a" * 600 + "best 0.39"}))
    assert str(ERDOS.data["prompt"]).strip() in said
    assert "```python\ndef run():\n    return [0.123456]\n```" in said
    assert "c5 before and after the current program: 0.41 -> 0.39 (smaller is better)." in said
    assert "a" * 491 + "best 0.39" in said
    assert "a" * 492 not in said  # the last 500 characters
    assert "The target: c5 below 0.38." in said
    assert "try something different" in said
    assert "initial_h_values holds the current construction (a list of 37)" in said
    assert "budget_s = 1000" in said
    assert "after 1100 s" in said
    assert "0.123456, 0.123456" not in said


def test_a_seed_has_no_program_and_no_value_before() -> None:
    said = text(Start({"construction": [0.5] * 40}, -0.5), target=None)
    assert "current program" not in said
    assert "->" not in said
    assert "c5 of the current construction: 0.5 (smaller is better)." in said
    assert "target" not in said.replace(str(ERDOS.data["prompt"]), "")


def test_more_is_better_where_it_is() -> None:
    said = text(Start({"code": "x", "construction": []}, 2.5, 2.4), PACKING, 2.635983)
    assert "sum_of_radii before and after the current program: 2.4 -> 2.5 (larger is better)." in said
    assert "above 2.63598." in said
    assert "run_packing(seed, budget_s), which returns the tuple (centers, radii)" in said


def test_a_program_that_is_the_answer_itself_is_asked_for_as_such() -> None:
    task = Task("ahc039", {"problem": "ahc039", "prompt": "Fish.", "measure": "score", "sense": "max"})
    said = text(Start({"language": "cpp", "source": "int main() {}"}, 3.0), task, None)
    assert "```cpp\nint main() {}\n```" in said
    assert "global variable" not in said
    assert "fenced cpp or python block" in said
    form = form_of(task)
    assert form.handed_in("int main() {}") == {"language": "cpp", "source": "int main() {}"}
    assert form.handed_in("pass", "python") == {"language": "python", "source": "pass"}
    assert "```python\npass\n```" in text(Start({"language": "python", "source": "pass"}, 3.0), task, None)


def test_the_published_targets_are_the_papers() -> None:
    assert forms.published_target(ERDOS) == 0.380876
    assert forms.published_target(PACKING) == 2.635983
    assert forms.published_target(_task(CirclePacking(n=32))) == 2.939572
    assert forms.published_target(_task(CirclePacking(n=7))) is None
    assert forms.published_target(Task("other")) is None


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("a\n```\nx = 1\n```\nb\n```py\nx = 2\n```\n", "x = 2"),
        ("```python\nx = 1\n```\n```python\n\n \n```", None),  # the last one counts, and is empty
        ("no code", None),
        ("", None),
        ("```python\nx = 1", None),  # cut off
        ("```python\nx = 1\n```\nBut\n```python\nx =", "x = 1"),
        ("```python\nx =\n\nI am out of thinking tokens.\n\n```python\nx = 3\n```", "x = 3"),
        ("~~~python\nx = 1\n~~~", "x = 1"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
        ("```python\r\nx = 1\r\n```\r\n", "x = 1\r"),
        ("text ```x = 1``` text", None),
    ],
)
def test_the_last_fenced_block_is_the_program(reply: str, program: str | None) -> None:
    found = block_in(reply)
    assert (found.code if found else None) == program


@given(st.lists(st.text(alphabet="ab`~\n #"), max_size=4), st.text(alphabet="xy=`\n ", min_size=1))
def test_what_is_fenced_is_found_again(before: list[str], program: str) -> None:
    reply = "\n".join([*before, fenced(program, "python")])
    assert block_in(reply) == (Block("python", program.rstrip()) if program.strip() else None)


@given(st.text())
def test_any_reply_is_read(reply: str) -> None:
    found = block_in(reply)
    assert found is None or found.code.strip()


def test_a_program_finds_its_construction_and_what_it_returns_is_plain() -> None:
    code = """
import numpy as np
from scipy.optimize import linprog
start = list(current_construction)
def run(seed, budget_s):
    print("seed", seed, budget_s)
    return np.array(start) / 2, np.float64(3.0), {"ignored": len(start)}
"""
    [found] = ran(code, given=[1.0, 0.5])
    assert found.fault is None
    assert found.returned == ([0.5, 0.25], 3.0, {"ignored": 2})
    assert found.output == "seed 42 0.5\n"
    assert Form().content(code, found.returned) == {"code": code, "construction": [0.5, 0.25]}


@pytest.mark.parametrize("signature", ["", "seed", "seed=1", "budget_s=3.0", "seed, budget_s", "*, seed", "**more"])
def test_an_entry_takes_what_it_asks_for(signature: str) -> None:
    [found] = ran(f"def run({signature}):\n    return sorted(locals().get('more', locals()))")
    assert found.fault is None
    wanted = (
        ["budget_s", "seed"] if "more" in signature else [name for name in ("budget_s", "seed") if name in signature]
    )
    assert found.returned == wanted


def test_only_the_end_of_the_output_is_kept() -> None:
    [found] = ran("def run():\n    print('a' * 5000 + 'end')\n    return [1]")
    assert len(found.output) == 500
    assert found.output.endswith("end\n")


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("def run(:", "exception"),
        ("x = 1", "exception"),
        ("run = 3", "exception"),
        ("def run(a):\n    return [1]", "exception"),
        ("def run():\n    raise RuntimeError('no')", "exception"),
        ("import sys\nsys.exit(0)", "exit"),
        ("import os\nos._exit(0)", "exit"),
        ("def run():\n    return [float('nan')]", "invalid"),
        ("def run():\n    return {1: 2}", "invalid"),
        ("def run():\n    return object()", "invalid"),
        ("def run():\n    return [0.5] * 10**7", "output"),
        ("def run():\n    return open('/etc/passwd').read()", "exception"),
        ("import socket\ndef run():\n    return socket.create_connection(('127.0.0.1', 1))", "exception"),
        ("def run():\n    return bytearray(10**10)", "memory"),
    ],
)
def test_what_is_not_a_construction_is_a_fault_of_the_program(program: str, kind: str) -> None:
    [found] = ran(program)
    assert found.fault is not None
    assert found.fault.whose == "solver"
    assert found.returned is None
    assert found.fault.kind.value == kind


def test_an_endless_program_is_ended_and_the_others_are_kept() -> None:
    one, two, three = ran(
        "def run(): return [1]", "def run():\n    while True: pass", "def run(): return [3]", wall_s=1.0
    )
    assert (one.returned, three.returned) == ([1], [3])
    assert two.fault is not None
    assert two.fault.kind.value == "timeout"


def test_no_programs_need_no_sandbox() -> None:
    assert ran() == []


def test_a_lie_about_the_value_gains_nothing() -> None:
    code = "def run(): return [0.5] * 40, 0.380000001, 40"
    [found] = ran(code, form=form_of(ERDOS))
    content = form_of(ERDOS).content(code, found.returned)
    [score] = ErdosOverlap().judge([Case(ERDOS, _answer(content))])
    assert score.value == 2.0


def test_a_packing_is_read_from_centers_and_radii() -> None:
    code = """
def run_packing(seed):
    centers = [[(i % 6 + 0.5) / 6, (i // 6 + 0.5) / 6] for i in range(26)]
    return centers, [1 / 12] * 26, 99.0
"""
    [found] = ran(code, form=form_of(PACKING))
    content = form_of(PACKING).content(code, found.returned)
    [score] = CirclePacking().judge([Case(PACKING, _answer(content))])
    assert score.value == pytest.approx(26 / 12)


@pytest.mark.parametrize("challenge", [ErdosOverlap(), CirclePacking(), CirclePacking(n=32), Autocorrelation1()])
def test_seeds_are_accepted_by_the_verifier(challenge: Any) -> None:
    [task] = challenge.tasks("main")
    contents = forms.seeds(task, 3, stream(1, "seeds"))
    scores = challenge.judge([Case(task, _answer(content)) for content in contents])
    assert all(score.value is not None for score in scores)


@pytest.mark.parametrize("name", ["ahc039", "ahc058", "denoising"])
def test_a_problem_that_asks_for_code_starts_from_code(name: str) -> None:
    task = Task(name, {"problem": name})
    form = form_of(task)
    for content in forms.seeds(task, 2, stream(1, "seeds")):
        assert isinstance(content, dict)
        assert set(content) == set(form.handed_in("x"))
        assert "```python\n" in text(Start(content, 1.0), task, None)


@settings(max_examples=50)
@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.tuples(inner))
)
def test_any_returned_value_becomes_something_to_judge(returned: Any) -> None:
    for form in (form_of(ERDOS), form_of(PACKING)):
        content = form.content("x", returned)
        assert content["code"] == "x"
        assert not isinstance(content["construction"], tuple)


def _task(challenge: Any) -> Task:
    [task] = challenge.tasks("main")
    return task


def _answer(content: Any) -> Any:
    return Answer("t", content)
