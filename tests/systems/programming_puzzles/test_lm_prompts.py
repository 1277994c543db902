"""What a model reads, and what is read out of its reply."""

from __future__ import annotations

import ast
import time

import pytest

from guerdon.lm.protocol import Message
from guerdon.systems.programming_puzzles import lm_prompts
from guerdon.systems.programming_puzzles.challenge import ProgrammingPuzzles
from guerdon.systems.programming_puzzles.examples import EXAMPLES
from guerdon.systems.programming_puzzles.puzzle import Puzzle
from guerdon.systems.programming_puzzles.reward import program

DATA = {
    "sat": "def sat(n: int, a=7, b=[1, 2]):\n    return n > 0 and sum(b) + n + a == 50",
    "sol_header": "def sol(a=7, b=[1, 2]):",
    "sol_docstring": '    """Make it fifty."""',
    "ans_type": "int",
}


def value_of(code: str, header: str = DATA["sol_header"]) -> object:
    """Run trusted test code as the judge would."""
    scope: dict[str, object] = {}
    exec(program(code, header), scope)
    return scope["sol"]()  # type: ignore[operator]


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_golden_short() -> None:
    assert lm_prompts.short_prompt(DATA) == (
        "def f(n: int, a=7, b=[1, 2]):\n    return n > 0 and sum(b) + n + a == 50\n\nassert True == f("
    )


def test_golden_medium() -> None:
    text = lm_prompts.worked_prompt(DATA, english=False)
    assert text.startswith("from typing import List\n\ndef f1(s: str):\n")
    assert '"""' not in text
    assert [f"assert f{i}(g{i}())" in text for i in range(1, 7)] == [True] * 5 + [False]
    assert text.endswith(
        "\n\nassert f5(g5())\n\ndef f6(n: int, a=7, b=[1, 2]):\n    return n > 0 and sum(b) + n + a == 50\n\n"
        "def g6(a=7, b=[1, 2]):"
    )


def test_golden_long() -> None:
    text = lm_prompts.worked_prompt(DATA, english=True)
    assert text.count('    """') == 6
    assert text.endswith('def g6(a=7, b=[1, 2]):\n    """Make it fifty."""')
    for example in EXAMPLES:
        assert example.english in text
    bare = {**DATA, "sol_docstring": ""}
    assert lm_prompts.worked_prompt(bare, english=True).endswith("def g6(a=7, b=[1, 2]):")


def test_golden_bootstrap() -> None:
    assert lm_prompts.learned_prompt(DATA, []) == (
        "from typing import List\n\ndef f1(n: int, a=7, b=[1, 2]):\n    return n > 0 and sum(b) + n + a == 50\n\n"
        "def g1(a=7, b=[1, 2]):"
    )
    pair = ("def sat(x: int):\n    return x == 3", "def sol():\n    return 3 if sat(3) else sol()\n")
    assert lm_prompts.learned_prompt(DATA, [pair, pair]).splitlines()[2:10] == [
        "def f1(x: int):", "    return x == 3", "", "def g1():", "    return 3 if f1(3) else g1()", "",
        "assert f1(g1())", "",
    ]  # fmt: skip
    assert lm_prompts.learned_prompt(DATA, [pair, pair]).endswith("def g3(a=7, b=[1, 2]):")


def test_golden_chat() -> None:
    text = lm_prompts.worked_prompt(DATA, english=True)
    prompt = lm_prompts.chat_prompt(DATA, text, 6, english=True)
    assert isinstance(prompt, tuple)
    (message,) = prompt
    assert isinstance(message, Message)
    assert message.role == "user"
    assert "```python\nfrom typing import List\n\ndef f1(" in message.content
    assert message.content.endswith("\n\ndef g6(a=7, b=[1, 2]):")
    assert "In English: Make it fifty." in message.content
    assert "In English" not in lm_prompts.chat_prompt(DATA, text, 6, english=False)[0].content  # type: ignore[union-attr]


def test_examples_are_puzzles_that_their_solutions_solve() -> None:
    for english in (False, True):
        exec(lm_prompts.worked_examples(english), {})
    ours = {puzzle.sat for puzzle in ProgrammingPuzzles().puzzles()}
    for number, example in enumerate(EXAMPLES):
        kind = ast.parse(example.sat).body[0].args.args[0].annotation  # type: ignore[attr-defined]
        Puzzle(f"Example:{number}", example.sat, ast.unparse(kind), example.header)
        assert example.sat not in ours


def test_no_reference_and_no_note_is_in_a_prompt() -> None:
    for puzzle in ProgrammingPuzzles().puzzles()[::7]:
        leaky = Puzzle(puzzle.name, puzzle.sat, puzzle.ans_type, puzzle.sol_header, puzzle.sol_docstring,
                       ("    return 'canary in a body'",), puzzle.module, "canary in a note")  # fmt: skip
        data = leaky.task_data()
        texts = [lm_prompts.short_prompt(data), lm_prompts.learned_prompt(data, [])]
        texts += [lm_prompts.worked_prompt(data, english=english) for english in (False, True)]
        assert not any("canary" in text for text in texts)
        for text in texts[1:]:
            compile(text + "\n    return None", "<prompt>", "exec", dont_inherit=True)


@pytest.mark.parametrize(
    ("source", "renamed"),
    [
        ("def sol(n=3):\n    return sol(n - 1) if n else 0", "def g7(n=3):\n    return g7(n - 1) if n else 0"),
        ("def sol(sols=1):\n    return sols + solve(sols)", "def g7(sols=1):\n    return sols + solve(sols)"),
        ("def sol(x='sol'):\n    return x.sol, 'sol()'  # sol", "def g7(x='sol'):\n    return x.sol, 'sol()'  # sol"),
        ("def sol():\n\treturn [sol for _ in 'é']", "def g7():\n\treturn [g7 for _ in 'é']"),
        ("def sol():\n    return {\n        'ü': sol}", "def g7():\n    return {\n        'ü': g7}"),
        (
            "def sol():\n    '''\n    sol\n    '''\n    return x. sol",
            "def g7():\n    '''\n    sol\n    '''\n    return x. sol",
        ),
        ("def other(): pass", "def other(): pass"),
    ],
)
def test_rename_changes_the_functions_name_only(source: str, renamed: str) -> None:
    assert lm_prompts.rename(source, "sol", "g7") == renamed


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("40)", "40"),
        (" 40 )  # done", "40"),
        ("max([1, 2]) + 38)", "max([1, 2]) + 38"),
        ("40) or (1", "40"),
        ("40)\nassert True", "40"),
        ("')')", "')'"),
        ("50 - a - sum(b))", "50 - a - sum(b)"),
        ("40, a=0)", None),  # must not set an input of the puzzle
        ("40, 0)", "40, 0"),  # one expression, a tuple: of the wrong type
        ("n=40)", None),
        ("*[40])", None),
        ("**{'n': 40})", None),
        (")", None),
        ("", None),
        ("40", None),
        ("40\n)", None),
        ("I think it is 40", None),
        ("```python\n40)\n```", None),
        ("(" * 100_000, None),
        (")" * 100_000, None),
        ("(" * 50_000 + ")" * 50_000, None),
        ("\0)", None),
        ("\ud800)", None),
        ("４２)", None),
        ("'é' * 3)", "'é' * 3"),
    ],
)
def test_arguments_are_cut_at_the_first_bracket_that_closes(text: str, code: str | None) -> None:
    began = time.monotonic()
    read = lm_prompts.read_argument(DATA, text)
    assert time.monotonic() - began < 2
    assert (read.code if read.parsed else None) == code
    if code is not None:
        assert isinstance(ast.parse(f"({code})", mode="eval"), ast.Expression)


def test_deep_nesting_is_read_or_refused_whatever_the_parser_allows() -> None:
    read = lm_prompts.read_argument(DATA, "-" * 3_000 + "1)")
    assert not read.parsed or read.code == "-" * 3_000 + "1"


def test_an_argument_may_call_the_puzzle() -> None:
    read = lm_prompts.read_argument(DATA, "next(x for x in range(100) if f(x)))")
    assert read.parsed
    assert value_of(read.code) == 40


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\n    return 40", 40),
        (" return 40", 40),
        ("\n    return 50 - a - sum(b)\n\nassert f6(g6())", 40),
        ("\n    return 40\n\nThat is the answer.", 40),
        ("\n    return 40\n```\nDone", 40),
        ("\n\treturn 40\n", 40),
        ("\n  return 40", 40),
        ("\r\n    x = 40\r\n    return x\r\n", 40),
        ("\n    # thinking\n\n    return 40\n# more", 40),
        ("\n    if a: return 40\n", 40),  # a return that begins no line
        ("\n    def inner(k):\n        return inner(k - 1) + 1 if k else 0\n\n    return inner(40)", 40),
        ("\n    return 40 if a == 0 else g6(0) if a else 1", 40),
        ("\n    return next(x for x in range(99) if f6(x))", 40),
        ('\n    """Say it."""\n    return 40', 40),
        ("\n    s = '''\n    text'''\n    return 40", 40),
        ("\n    é = 40\n    return é", 40),
        ("\n    return 'g6' and 40", 40),
    ],
)
def test_bodies_are_cut_at_the_first_line_without_indentation(text: str, value: int) -> None:
    read = lm_prompts.read_body(DATA, text, 6)
    assert read.parsed
    assert value_of(read.code) == value
    assert "g6(" not in read.code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "   \n  \n",
        "\n# nothing",
        "\nreturn 40",
        "\n    return (40",
        "\n    return 40\n  x",
        "\n    retrun 40",
        "\n    return 40)",
        "\nI am sorry.",
        "\n    return '40",
        "```python\n    return 40\n```",
        "\n    return 40\0",
        "\n    return '\ud800'",
        "\n    (" + "(" * 100_000,
        "\n    " + "-" * 100_000 + "1",
        "\n    return " + "[" * 5_000,
        "\n    \f\n\f    x = 1\n  return",
        "\n \t x = 1\n\t return x",
        "\n    pass" * 20_000,
        "\n    if a:",
        "\n    else:",
    ],
    ids=lambda text: repr(text[:16]),
)
def test_what_does_not_parse_is_kept_as_it_came(text: str) -> None:
    began = time.monotonic()
    read = lm_prompts.read_body(DATA, text, 6)
    assert time.monotonic() - began < 2
    assert not read.parsed
    assert read.code.strip() in lm_prompts.plain_lines(text)


FENCE = "```"
SEARCH = "def g6(a, b):\n    return next(x for x in range(TOP) if f6(x))"


@pytest.mark.parametrize(
    "text",
    [
        f"Sure!\n\n{FENCE}python\ndef g6(a=7, b=[1, 2]):\n    return 40\n{FENCE}\nIt works.",
        f"{FENCE}\ndef g6(a=7, b=[1, 2]):\n    return 40",  # cut off before the fence closed
        "def g6(a=7, b=[1, 2]):\n    return 40\nThis returns 40.",
        f"{FENCE}py\ndef g6(a, b):\n    return 50 - a - sum(b)\n{FENCE}",  # defaults left out
        f"{FENCE}py\ndef g6(first, second):\n    return 50 - first - sum(second)\n{FENCE}",  # other names
        f"{FENCE}py\ndef g6():\n    return 40\n{FENCE}",
        f"{FENCE}py\ndef g6(a, b, extra=33):\n    return a + extra\n{FENCE}",
        f"{FENCE}py\nimport math\ndef half(x):\n    return x // 2\n\ndef g6(a, b):\n    return half(80)\n{FENCE}",
        f"{FENCE}py\nfrom typing import *\nTOP = 99\ndef f6(n):\n    return 1\n{SEARCH}\nassert f6(g6())\n{FENCE}",
        f"A\n{FENCE}py\ndef g6(a, b):\n    return 1\n{FENCE}\nNo: {FENCE}py\ndef g6(a, b):\n    return 40\n{FENCE}",
        f"{FENCE}py\ndef solve(a, b):\n    return 40 if a else solve(1, b)\n{FENCE}",
        f"{FENCE}py\n    return 40\n{FENCE}",
        f"{FENCE}py\n50 - a - sum(b)\n{FENCE}",
        f"  {FENCE}python\n  def g6(a, b):\n      return 40\n  {FENCE}",
        f"<think>\n{FENCE}py\ndef g6(): return 1\n{FENCE}\n</think>\n{FENCE}py\ndef g6(a, b):\n    return 40\n{FENCE}",
        f'{FENCE}py\ndef g6(a, b):\n    """Returns {FENCE[0]}x{FENCE[0]}."""\n    return 40\n{FENCE}',
        f"{FENCE}py\r\ndef g6(a, b):\r\n    return 40\r\n{FENCE}",
        f"{FENCE}py\ndef g6(a, b):\n    return g6(0, b) - 1 + a if False else 40\nanswer = g6(7, [1])\n{FENCE}",
    ],
)
def test_a_chat_reply_is_read_whatever_is_around_the_function(text: str) -> None:
    read = lm_prompts.read_chat(DATA, text, 6)
    assert read.parsed
    assert value_of(read.code) == 40


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sorry",
        "I cannot help with that.",
        f"{FENCE}\n{FENCE}",
        f"{FENCE}py\nthe answer is 40\n{FENCE}",
        FENCE * 30_000,
        f"{FENCE}py\ndef f6(n):\n    return n == 3\n{FENCE}",
        "(" * 100_000,
        f"{FENCE}py\ndef g6(:\n{FENCE}",
        "\0\ud800",
        f"{FENCE}py\n" + "lambda:" * 2_500 + f"1\n{FENCE}",
        "def g6(" * 10_000,
        "a" * 100_000,
        "<think>" * 20_000,
        "<think>" * 9_999 + "</think>",
        f"{FENCE}py\n" + ("\n" + " " * 99) * 999,
        f"{FENCE}py\n" * 9_999,
        "def g6(" + "\n" * 99_999,
        "\ndef g6(x" * 9_999,
    ],
    ids=lambda text: repr(text[:16]),
)
def test_a_chat_reply_without_a_function_is_kept_as_it_came(text: str) -> None:
    began = time.monotonic()
    read = lm_prompts.read_chat(DATA, text, 6)
    assert time.monotonic() - began < 2
    assert not read.parsed
    assert read.code == text


def test_later_prompts_show_the_solution_without_the_puzzle_it_called() -> None:
    read = lm_prompts.read_body(DATA, "\n    return next(x for x in range(99) if f6(x))", 6)
    assert read.code.startswith(DATA["sat"])
    shown = lm_prompts.pair_text(DATA["sat"], lm_prompts.solution_of(read.code), 2)
    assert shown.count("def f2(") == 1
    assert "if f2(x))" in shown
    exec(f"{lm_prompts.TYPING}\n\n{shown}", {})
