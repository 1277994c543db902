"""What a learned model sees of a puzzle: a bag of the rules of its own syntax tree.

The verifier's tree is read in the vocabulary of expressions (operators, functions, methods, displays, types of
constants) with one word per node and one per parent and child, so that `n * a + b == c` shares words with
`x * y == z`. Source: features of Schuster et al. 2021; the words are our own, since verifiers hold statements that a
grammar of expressions has no rules for.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guerdon.systems.programming_puzzles.constants import parse, type_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHILDREN = 10
"""Length of the one-hot child index (source: 10)."""

_SKIPPED = (ast.Load, ast.Store, ast.arguments, ast.arg, ast.keyword, ast.Expr)


def bag(sat: str, kind: str) -> Counter[str]:
    r"""Words of a puzzle and how often each occurs.

    >>> words = bag("def sat(n: int, a=7):\n    return n + a == 50", "int")
    >>> sorted(word for word in words if ">" not in word)
    ['==', 'Add', 'Return', 'answer', 'answer: int', 'input', 'input: int', 'int']
    """
    verifier = parse(sat)
    answer = verifier.function.args.args[0].arg if verifier.function.args.args else ""
    words: Counter[str] = Counter([f"answer: {kind}"])
    words.update(f"input: {type_of(value)}" for value in verifier.inputs.values())
    for statement in verifier.function.body:
        words.update(_words(statement, "", answer, verifier.inputs))
    return words


def _words(node: ast.AST, parent: str, answer: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    word = _word(node, answer, inputs)
    if word:
        yield word
        if parent:
            yield f"{parent}>{word}"
    for child in ast.iter_child_nodes(node):
        yield from _words(child, word or parent, answer, inputs)


def _word(node: ast.AST, answer: str, inputs: Mapping[str, Any]) -> str:
    if isinstance(node, ast.Name):
        return "answer" if node.id == answer else "input" if node.id in inputs else "local"
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.AugAssign)):
        return type(node.op).__name__
    if isinstance(node, ast.Compare):
        return _SIGNS.get(type(node.ops[0]).__name__, "compare")
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return f"{node.func.id}()"
        return f".{node.func.attr}()" if isinstance(node.func, ast.Attribute) else "()"
    if isinstance(node, (*_SKIPPED, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Attribute)):
        return ""
    return type(node).__name__


_SIGNS = {"Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "In": "in", "NotIn": "not in"}


class Vocabulary:
    """Turns bags into rows of one matrix; words are those of the puzzles it was made from.

    >>> Vocabulary([Counter({"a": 2}), Counter({"b": 1})]).row(Counter({"a": 2, "c": 5})).tolist()
    [2.0, 0.0]
    """

    def __init__(self, bags: Sequence[Counter[str]]) -> None:
        self.words = sorted(set().union(*bags))
        self._column = {word: column for column, word in enumerate(self.words)}

    def row(self, words: Counter[str]) -> NDArray[np.float32]:
        """Counts by word, shape (words,)."""
        import numpy as np

        row = np.zeros(len(self.words), np.float32)
        for word, count in words.items():
            if word in self._column:
                row[self._column[word]] = count
        return row
