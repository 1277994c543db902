"""Rows of a file, scored: prompts with responses, conversations, or pairs of responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.plain import digest
from guerdon.core.reward import Reward
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.formats import UnusableError, implicit_prompt
from guerdon.prefer.sets import Text, is_text

AT_ONCE = 4_096
"""Rows that are read, sorted by length and scored together."""
SINGLE = ("response", "completion", "answer", "output")
SIDES = (("chosen", "rejected"), ("first", "second"), ("output_1", "output_2"), ("response_j", "response_k"))
ASKED = ("prompt", "instruction", "question")


def cases_of(row: Mapping[str, Any]) -> list[tuple[str, Case]]:
    """What there is to score in a row: a case for each response, with a suffix that tells sides apart.

    Known are `prompt` with `response` or `completion`; `messages`, of which the last is the response; and pairs, such
    as `prompt`, `chosen` and `rejected`. Further fields are the key of the case, for rewards that look at them.

    Raises:
        UnusableError: the row has none of these shapes.

    >>> [(suffix, case.answer.content) for suffix, case in cases_of({"prompt": "p", "chosen": "a", "rejected": "b"})]
    [('_chosen', 'a'), ('_rejected', 'b')]
    """
    if "messages" in row:
        told = row["messages"]
        if not is_text(told) or isinstance(told, str) or len(told) < 2 or told[-1]["role"] != "assistant":
            raise UnusableError("messages", "is not a conversation that ends with the assistant")
        return [("", _case(told[:-1], told[-1]["content"], row, ("messages",)))]
    for pair in SIDES:
        if all(name in row for name in pair):
            return _both(row, pair)
    for name in SINGLE:
        if name in row:
            return [("", _case(_prompt(row), _text(row, name), row, (*ASKED, name)))]
    raise UnusableError("row", f"has none of {', '.join(SINGLE)}, messages, chosen and rejected")


def _both(row: Mapping[str, Any], pair: tuple[str, str]) -> list[tuple[str, Case]]:
    sides: list[Text] = [_text(row, name) for name in pair]
    if any(row.get(name) is not None for name in ASKED):
        prompt = _prompt(row)
    else:
        prompt, *sides = implicit_prompt(sides[0], sides[1])
    return [(f"_{name}", _case(prompt, side, row, (*ASKED, *pair))) for name, side in zip(pair, sides, strict=True)]


def _prompt(row: Mapping[str, Any]) -> Text:
    name = next((name for name in ASKED if row.get(name) is not None), None)
    return "" if name is None else _text(row, name)


def _text(row: Mapping[str, Any], name: str) -> Text:
    value: Any = row[name]
    if not is_text(value):
        raise UnusableError(name, f"is a {type(value).__name__}, not text or messages")
    return value


def _case(prompt: Text, response: Text, row: Mapping[str, Any], used: Sequence[str]) -> Case:
    name = digest(str(prompt))[:12]
    key = {field: value for field, value in row.items() if field not in used}
    return Case(Task(name, {"prompt": prompt}), Answer(name, response), key)


def told(score: Score, suffix: str = "") -> dict[str, Any]:
    """A score as fields of a row: `score`, and where there are several members `members` and `variance`.

    What is not known is `None`, with the reason in `fault`.
    """
    found: dict[str, Any] = {f"score{suffix}": score.value}
    if score.spread is not None:
        found[f"members{suffix}"] = list(score.parts.values())
        found[f"variance{suffix}"] = score.spread**2
    if score.fault is not None:
        found[f"fault{suffix}"] = str(score.fault)
    return found


def scored(
    reward: Reward, rows: Iterable[tuple[int, Mapping[str, Any]]], *, source: str = "row", at_once: int = AT_ONCE
) -> Iterator[dict[str, Any]]:
    """Each row with its score, in order.

    Args:
        reward: any reward.
        rows: with their line numbers, as `prefer.files.rows_of` gives them.
        source: named in errors.
        at_once: rows that are read and scored together.

    Raises:
        ConfigError: a row cannot be scored, named with its line.
    """
    stream = iter(rows)
    while some := list(islice(stream, at_once)):
        found: list[list[tuple[str, Case]]] = []
        for line, row in some:
            try:
                found.append(cases_of(row))
            except UnusableError as error:
                raise ConfigError(
                    f"{source}, line {line}: something to score", f"{error.field} {error.reason}", "Correct the line"
                ) from None
        scores = iter(reward([case for cases in found for _, case in cases]))
        for (_, row), cases in zip(some, found, strict=True):
            extra: dict[str, Any] = {}
            for suffix, _ in cases:
                extra |= told(next(scores), suffix)
            yield {**row, **extra}
