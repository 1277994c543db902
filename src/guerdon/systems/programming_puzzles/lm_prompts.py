"""What a language model reads, and what is read out of its reply.

Four ways of asking (Schuster et al., arXiv 2106.05784, and the authors' prompt code): `short` asks for
the argument of an assertion, `medium` and `long` show five worked puzzles, `bootstrap` shows what the solver itself
has solved. Replies are cut to source that parses; nothing here runs any of it.
"""

from __future__ import annotations

import ast
import functools
import io
import itertools
import re
import textwrap
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from guerdon.core.plain import Json
from guerdon.lm.protocol import Message, Prompt
from guerdon.systems.programming_puzzles.examples import EXAMPLES

Data = Mapping[str, Json]

TYPING = "from typing import List"
STOP_BODY = ("\nassert",)
STOP_ARGUMENT = ("\n",)
MAX_CODE = 20_000
"""Longer replies are not parsed; 150 tokens are far shorter."""
MAX_ARGUMENT = 4_000
MAX_BRACKETS = 200

_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n[ \t]*```|```|\Z)", re.DOTALL)
_THOUGHT_ENDS = "</think>"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply comes to.

    Args:
        code: source for the judge, or the raw text that could not be cut to source.
        parsed: whether it is source.
    """

    code: str
    parsed: bool


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def short_prompt(data: Data) -> str:
    r"""The puzzle as `f`, and an assertion whose argument is to be completed.

    >>> data = {"sat": "def sat(n: int, a=7):\n    return n + a == 50", "sol_header": "def sol(a=7):"}
    >>> print(short_prompt(data))
    def f(n: int, a=7):
        return n + a == 50
    <BLANKLINE>
    assert True == f(
    """
    return f"{rename(str(data['sat']).strip(), 'sat', 'f')}\n\nassert True == f("


def worked_prompt(data: Data, *, english: bool) -> str:
    """Five worked puzzles, the new one as `f6` and the first line of `g6`; with docstrings if `english`."""
    return f"{worked_examples(english)}\n\n{_question(data, len(EXAMPLES) + 1, english)}"


def learned_prompt(data: Data, pairs: Sequence[tuple[str, str]]) -> str:
    """Solved (puzzle, solution) pairs, numbered in order, then the new puzzle. Without docstrings."""
    shown = [pair_text(sat, sol, number) for number, (sat, sol) in enumerate(pairs, 1)]
    return "\n\n".join([TYPING, *shown, _question(data, len(pairs) + 1, False)])


def chat_prompt(data: Data, text: str, number: int, *, english: bool) -> Prompt:
    """The same question for a model that chats: it is asked for one fenced block with the whole function."""
    f, g = f"f{number}", f"g{number}"
    shown = text[: text.rindex(f"def {g}(")].rstrip()
    wish = f"\nIn English: {_english(data)}\n" if english and _english(data) else ""
    return (
        Message(
            "user",
            "A puzzle is a Python function that must return True. A solution is a function that returns its first "
            f"argument.\n\n```python\n{shown}\n```\n{wish}\nWrite the function `{g}` such that `{f}({g}())` returns "
            "True. Reply with one fenced Python block that holds the whole function and nothing else. It begins with\n"
            f"\n{rename(str(data['sol_header']), 'sol', g)}",
        ),
    )


@functools.cache
def worked_examples(english: bool) -> str:
    """The typing import and the five worked puzzles."""
    shown = []
    for number, example in enumerate(EXAMPLES, 1):
        docstring = f'    """{example.english}"""\n' if english else ""
        shown.append(pair_text(example.sat, f"{example.header}\n{docstring}{example.body}", number))
    return "\n\n".join([TYPING, *shown])


def pair_text(sat: str, sol: str, number: int) -> str:
    """A puzzle, its solution and the assertion that joins them, under their number."""
    f, g = f"f{number}", f"g{number}"
    solution = rename(rename(sol.strip(), "sol", g), "sat", f)
    return f"{rename(sat.strip(), 'sat', f)}\n\n{solution}\n\nassert {f}({g}())"


def _question(data: Data, number: int, english: bool) -> str:
    f = rename(str(data["sat"]).strip(), "sat", f"f{number}")
    docstring = str(data.get("sol_docstring", "")).rstrip() if english else ""
    head = rename(str(data["sol_header"]).strip(), "sol", f"g{number}") + (f"\n{docstring}" if docstring else "")
    return f"{f}\n\n{head}"


def _english(data: Data) -> str:
    return textwrap.dedent(str(data.get("sol_docstring", ""))).strip().strip('"').strip()


def rename(source: str, old: str, new: str) -> str:
    r"""The source with one function's name changed, and nothing else: no attribute, string or comment.

    >>> rename("def sol(n=3):\n    return sol(n - 1) if n else x.sol + 'sol'", "sol", "g7")
    "def g7(n=3):\n    return g7(n - 1) if n else x.sol + 'sol'"
    """
    return new.join(_around(source, old))


@functools.lru_cache(maxsize=16384)
def _around(source: str, name: str) -> tuple[str, ...]:
    """The source's parts between the places where the name is a name: each prompt numbers its pairs anew."""
    if name not in source:
        return (source,)
    starts = list(itertools.accumulate((len(line) + 1 for line in source.split("\n")), initial=0))
    places = [starts[token.start[0] - 1] + token.start[1] for token in _names(source) if token.string == name]
    edges = [0, *(edge for place in places for edge in (place, place + len(name))), len(source)]
    return tuple(source[left:right] for left, right in itertools.pairwise(edges))[::2]


def _names(source: str) -> Iterator[tokenize.TokenInfo]:
    """Names that are no attributes."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and before != ".":
            yield token
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            before = token.string


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_argument(data: Data, text: str) -> Reading:
    """The argument of `assert True == f(`, up to the first closing bracket with which it parses.

    It must be one expression inside brackets of its own: `3, a=9` would otherwise set an input of the puzzle. The
    inputs' names may be used in it, and so may the puzzle itself, as `f`.
    """
    line = plain_lines(text).split("\n")[0][:MAX_ARGUMENT]
    ends = [at for at, letter in enumerate(line) if letter == ")"][:MAX_BRACKETS]
    for end in ends:
        argument = line[:end].strip()
        if argument and parse(f"(\n{argument}\n)", "eval"):
            whole = _with_verifier(data, f"{data['sol_header']}\n    return (\n{argument}\n    )", "f")
            return Reading(argument if whole is None else whole, True)
    return Reading(line, False)


def read_body(data: Data, text: str, number: int) -> Reading:
    """The rest of a function that began with the prompt's last line, cut at the first line without indentation."""
    cut = _indented(plain_lines(text))
    source = rename_header(data, number) + cut
    if not cut.strip() or not _one_function(source):
        return Reading(cut, False)
    return _handed_in(data, source, number)


def read_chat(data: Data, text: str, number: int) -> Reading:
    """The function in a chat model's reply, whatever is around it, under the puzzle's own header."""
    text = plain_lines(text)
    name = f"g{number}"
    for candidate in _candidates(text.rpartition(_THOUGHT_ENDS)[2], name):
        module = parse(candidate)
        source = _solution(data, module, name) if isinstance(module, ast.Module) else None
        if source is not None:
            return _handed_in(data, source, number)
    return Reading(text, False)


def solution_of(code: str) -> str:
    """The function `sol` alone, out of code that was handed in: that is what later prompts show."""
    at = re.search(r"^def sol\(", code, re.MULTILINE)
    return code[at.start() :].rstrip() if at else code


def plain_lines(text: str) -> str:
    """Line ends as the prompt has them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def rename_header(data: Data, number: int) -> str:
    """The first line of the new solution, as the prompt ends with it."""
    return rename(str(data["sol_header"]).strip(), "sol", f"g{number}")


def parse(source: str, mode: str = "exec") -> ast.AST | None:
    """The syntax tree, or `None`; the parser answers hostile text with five kinds of exception."""
    if len(source) > MAX_CODE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    end = next((at for at, line in enumerate(rest) if line and line[0] not in " \t"), len(rest))
    return "\n".join([first, *rest[:end]]).rstrip()


def _one_function(source: str) -> bool:
    module = parse(source)
    return isinstance(module, ast.Module) and [type(part) for part in module.body] == [ast.FunctionDef]


def _handed_in(data: Data, source: str, number: int) -> Reading:
    """`g6` becomes `sol`; if it calls `f6`, the puzzle comes along."""
    try:
        source = rename(source, f"g{number}", "sol")
        return Reading(_with_verifier(data, source, f"f{number}") or source, True)
    except (tokenize.TokenError, SyntaxError):  # the tokenizer is stricter than the parser here and there
        return Reading(source, False)


def _with_verifier(data: Data, source: str, name: str) -> str | None:
    """The source after the puzzle, when it mentions it by that name; else `None`."""
    try:
        if name not in source or all(token.string != name for token in _names(source)):
            return None
        return f"{data['sat']}\n\n\n{rename(source, name, 'sat')}"
    except (tokenize.TokenError, SyntaxError):
        return None


def _candidates(text: str, name: str) -> Iterator[str]:
    """Pieces of a reply that may hold the function, most promising first."""
    blocks = [textwrap.dedent(block) for block in _FENCE.findall(text)]
    head = re.compile(rf"^[ \t]*def {name}\(", re.MULTILINE)
    yield from (block for block in reversed(blocks) if head.search(block))
    for place in [*reversed(blocks), text]:
        at = head.search(place)
        if at:
            yield _indented(textwrap.dedent(place[at.start() :]))
    yield from reversed(blocks)
    yield textwrap.dedent(text)


def _solution(data: Data, module: ast.Module, name: str) -> str | None:
    """The source of one function under the puzzle's header; what else the reply defines moves into it."""
    functions = [part for part in module.body if isinstance(part, ast.FunctionDef)]
    named = [part for part in functions if part.name in (name, "sol")]
    others = [part for part in functions if part.name not in (f"f{name[1:]}", "sat")]
    if not functions:
        return _loose(data, module, name)
    if not named and not others:
        return None
    target = (named or others)[-1]
    before = [part for part in module.body if part is not target and _belongs(part, name, target.name)]
    function = _header(data, name)
    body = target.body[1:] if ast.get_docstring(target) is not None and len(target.body) > 1 else target.body
    function.body = [*before, *_bound(target.args, function.args), *body]
    try:
        source = ast.unparse(ast.fix_missing_locations(function))
        return source if target.name == name else rename(source, target.name, name)
    except (RecursionError, ValueError, tokenize.TokenError, SyntaxError):
        return None


def _loose(data: Data, module: ast.Module, name: str) -> str | None:
    """Code without a function: the body of one, or one expression."""
    body: list[ast.stmt] = [part for part in module.body if _belongs(part, name, name)]
    if not any(isinstance(part, ast.Return) for part in ast.walk(module)):
        if len(module.body) != 1 or not isinstance(module.body[0], ast.Expr):
            return None
        # A lone word or two is prose, not an answer.
        if isinstance(module.body[0].value, ast.Name):
            return None
        body = [ast.Return(module.body[0].value)]
    function = _header(data, name)
    function.body = body
    try:
        return ast.unparse(ast.fix_missing_locations(function))
    except (RecursionError, ValueError):
        return None


def _header(data: Data, name: str) -> ast.FunctionDef:
    module = ast.parse(f"{str(data['sol_header']).strip()}\n    pass")
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.name = name
    return function


def _belongs(part: ast.stmt, name: str, target: str) -> bool:
    """Whether a top-level statement is part of the solution: no test, no second copy of the puzzle or the function."""
    if isinstance(part, ast.ImportFrom):
        return part.module != "typing"
    if isinstance(part, ast.FunctionDef | ast.ClassDef):
        return part.name not in (name, target, f"f{name[1:]}") and not re.fullmatch(r"[fg]\d+", part.name)
    if isinstance(part, ast.Assign | ast.AnnAssign):
        return not any(isinstance(node, ast.Name) and node.id in (name, target) for node in ast.walk(part))
    return isinstance(part, ast.Import | ast.Return | ast.For | ast.While | ast.AugAssign)


def _bound(theirs: ast.arguments, ours: ast.arguments) -> list[ast.stmt]:
    """Assignments that give the inputs the names the reply chose for them, in their order."""
    names = [argument.arg for argument in [*theirs.posonlyargs, *theirs.args]]
    inputs = [argument.arg for argument in ours.args]
    bound: list[ast.stmt] = []
    pairs = [(a, b) for a, b in zip(names, inputs) if a not in inputs]
    if pairs:
        left, right = ", ".join(a for a, _ in pairs), ", ".join(b for _, b in pairs)
        bound += ast.parse(f"{left} = {right}").body
    defaults = dict(zip(names[len(names) - len(theirs.defaults) :], theirs.defaults))
    for name in names[len(inputs) :]:
        if name in defaults and name not in inputs:
            bound.append(ast.Assign([ast.Name(name, ast.Store())], defaults[name]))
    return bound
