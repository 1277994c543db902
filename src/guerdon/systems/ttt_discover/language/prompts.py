"""What a language model is asked, and which program its reply holds (arXiv 2601.16175, appendix)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guerdon.lm.protocol import Message
from guerdon.systems.ttt_discover.language.forms import Form, construction_of, part_of

if TYPE_CHECKING:
    from guerdon.core.task import Task
    from guerdon.systems.ttt_discover.proposer import Start

OBSERVED = 500
"""Last characters of a program's output that the next attempt is shown (source)."""
FORCED = "\n\nI am out of thinking tokens, so I write down my final program now.\n\n"
"""What is put into the model's mouth when its thinking has reached the cap; the source has a line to that effect."""
REMINDER = "You are out of thinking tokens. Write down your final program now, as one fenced code block."
"""The same as a turn of the user, for a model behind a protocol that cannot continue a turn."""

_FENCE = re.compile(r"^[ \t]{0,3}(`{3,}|~{3,})[ \t]*([^`\n]*?)[ \t]*$")
_LANGUAGES = frozenset(("python", "python3", "py", "cpp", "c++", "cc", "cxx"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use, as the prompt says it.

    Args:
        seconds: that it may plan with.
        kill_s: after which it is ended.
        memory_mb: memory.
        imports: packages besides the standard library.
    """

    seconds: float
    kill_s: float
    memory_mb: int
    imports: tuple[str, ...]


def prompt_for(task: Task, form: Form, start: Start, limits: Limits, target: float | None) -> tuple[Message, ...]:
    """One user turn: problem, form, current program, what it changed, its last output, target, and what is wanted.

    The construction is not printed: the program finds it in a global variable.

    Args:
        task: the problem.
        form: how a program is handed in.
        start: the state that the attempt starts from.
        limits: of a program that is run.
        target: value to beat, a hint; `None` names none.
    """
    parts = [str(task.data.get("prompt", "")).strip(), _interface(form, limits, start)]
    code, output = part_of(start.content, form.source), start.note.get("output")
    code = code if isinstance(code, str) and code.strip() else ""
    if code:
        written = part_of(start.content, "language")
        parts.append(f"The current program:\n{fenced(code, written if isinstance(written, str) else form.language)}")
    parts.append(_values(task, form, start))
    if isinstance(output, str) and output.strip():
        parts.append(f"The end of what it printed:\n{fenced(output[-OBSERVED:])}")
    if target is not None:
        parts.append(f"The target: {_measure(task)} {'below' if _least(task) else 'above'} {target:.6g}.")
    different = " from the current program" if code else ""
    parts.append(
        f"Think about why the current value is what it is, then try something different{different}: another method, "
        f"or a change that you expect to matter. End your reply with one complete program in a fenced "
        f"{' or '.join(form.languages)} block; the last block counts."
    )
    return (Message("user", "\n\n".join(part for part in parts if part)),)


def _interface(form: Form, limits: Limits, start: Start) -> str:
    if not form.runs:
        return f"Your reply's program, in {' or '.join(form.languages)}, is handed in as it stands."
    imports = " and ".join(limits.imports) or "nothing"
    called = (
        f"It is called with seed = 42 and budget_s = {limits.seconds:g}, the seconds that it may use; after "
        f"{limits.kill_s:g} s or beyond {limits.memory_mb} MB it is ended and counts for nothing. "
        f"It may import {imports} besides the standard library, and has neither network nor files."
    )
    lines = [f"Write a Python program that defines {form.entry}(seed, budget_s), which returns {form.returns}.", called]
    held = construction_of(start.content)
    if held is not None:
        length = f" (a list of {len(held)})" if isinstance(held, list) else ""
        lines.append(f"The global variable {form.variable} holds the current construction{length}: start from it.")
    return "\n".join(lines)


def _values(task: Task, form: Form, start: Start) -> str:
    if start.value is None:
        return ""
    sign = -1.0 if _least(task) else 1.0
    now, wish = sign * start.value, "smaller" if _least(task) else "larger"
    if start.before is None:
        what = "construction" if form.runs else "program"
        return f"{_measure(task)} of the current {what}: {now:.8g} ({wish} is better)."
    before = sign * start.before
    return f"{_measure(task)} before and after the current program: {before:.8g} -> {now:.8g} ({wish} is better)."


def _least(task: Task) -> bool:
    return task.data.get("sense") == "min"


def _measure(task: Task) -> str:
    return str(task.data.get("measure", "value"))


def fenced(text: str, language: str = "") -> str:
    """The text as a fenced block, whose fence is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the language that its fence names, in lower case, and its text."""

    language: str
    code: str


def block_in(reply: str) -> Block | None:
    r"""The last complete fenced block of a reply; `None` when there is none, or when the last one is empty.

    A fence that names Python or C++ begins a block even inside of one, since a model that was cut off may have left one
    open.

    >>> block_in("Try this:\n```python\nx = 1\n```\nor rather\n```Python\nx = 2\n```\nDone.")
    Block(language='python', code='x = 2')
    >>> block_in("```python\nx = 1") is None
    True
    """
    found: Block | None = None
    fence, named = "", ""
    lines: list[str] = []
    for line in reply.split("\n"):
        hit = _FENCE.match(line.rstrip("\r"))
        mark, language = (hit[1], hit[2]) if hit else ("", "")
        if mark and (not fence or language.lower() in _LANGUAGES):
            fence, named, lines = mark, language.lower(), []
        elif mark and not language and mark[0] == fence[0] and len(mark) >= len(fence):
            found, fence = Block(named, "\n".join(lines)), ""
        elif fence:
            lines.append(line)
    return found if found is not None and found.code.strip() else None
