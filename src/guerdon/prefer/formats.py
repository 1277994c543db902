r"""The shapes in which preference data is published: one function for each, from a row to records.

| name | fields | source |
|---|---|---|
| guerdon | prompt, first, second, choice, ... | what `PreferenceSet.row` gives; nothing is lost |
| trl | chosen, rejected, [prompt], [margin]: texts or messages | TRL, dataset formats, "preference" |
| hh | chosen, rejected: "\n\nHuman: ... \n\nAssistant: ..." | Anthropic/hh-rlhf |
| turns | chosen, rejected: lists of texts, in turn of user and assistant | fnlp/hh-rlhf-strength-cleaned |
| alpaca-farm | instruction, input, output_1, output_2, preference | tatsu-lab/alpaca_farm |
| stack-exchange | question, response_j (better), response_k | lvwerra/stack-exchange-paired |
| helpsteer | prompt, response, one number per attribute | nvidia/HelpSteer |
| ultrafeedback | instruction, completions with response and overall_score | openbmb/UltraFeedback |

Fields that a shape does not know become further columns under their own names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import Any

from guerdon.core.score import Fault, FaultKind
from guerdon.prefer.sets import FIRST, SECOND, TIE, UNKNOWN, Text, is_text, key_of
from guerdon.prefer.votes import HEAVIEST

Row = Mapping[str, Any]
CODES: Mapping[Any, int] = {"first": FIRST, "second": SECOND, "tie": TIE, None: UNKNOWN}
SAME = "both responses are the same"


class UnusableError(Exception):
    """A row that gives no record.

    Args:
        field: where the trouble is.
        reason: what it is.
        broken: whether the row is malformed, rather than of no use.
    """

    def __init__(self, field: str, reason: str, broken: bool = True) -> None:
        super().__init__(field, reason)
        self.field, self.reason, self.broken = field, reason, broken


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a `PreferenceSet`."""

    prompt: Text
    first: Text
    second: Text
    choice: int = FIRST
    margin: float = math.nan
    weight: float = 1.0
    annotator: str = ""
    fault: Fault | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rated:
    """A response with a score; those of one prompt are paired when all of them are known."""

    prompt: Text
    response: Text
    score: float
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """A shape: how to tell it, and how to read a row.

    Args:
        name: for people.
        fits: whether a row looks like it.
        read: records of a row; the second argument names the score to pair by.
        score: the score that is paired by, where there is one.
    """

    name: str
    fits: Callable[[Row], bool]
    read: Callable[[Row, str], list[Record | Rated]]
    score: str = ""


def text_at(row: Row, name: str, messages: bool = True) -> Text:
    """The text, or the messages, under a name.

    Raises:
        UnusableError: it is missing or neither.
    """
    value = _at(row, name)
    if is_text(value) and (messages or isinstance(value, str)):
        return value
    raise UnusableError(
        name, f"is {_kind(value)}, not text" + (" or messages with role and content" if messages else "")
    )


def _at(row: Row, name: str) -> Any:
    if name not in row:
        raise UnusableError(name, "is missing")
    return row[name]


def number_at(row: Row, name: str, default: float | None = None) -> float:
    """The finite number under a name.

    Raises:
        UnusableError: it is missing without a default, or not a finite number.
    """
    value = row.get(name)
    if value is None:
        if default is None:
            raise UnusableError(name, "is missing")
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnusableError(name, f"is {_kind(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError(name, "is not finite")
    return number


def margin_at(row: Row) -> float:
    """The margin of a row; nan where there is none.

    Raises:
        UnusableError: it is not a number, or beyond 1,000,000 either way.
    """
    margin = number_at(row, "margin", math.nan)
    if abs(margin) > HEAVIEST:
        raise UnusableError("margin", "is beyond 1,000,000")
    return margin


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}" if value != [] else "an empty list"


def _rest(row: Row, *known: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in known}


def _different(first: Text, second: Text, field: str) -> None:
    if key_of(first) == key_of(second):
        raise UnusableError(field, SAME, broken=False)


# ---- one choice a row ------------------------------------------------------------------------------------------------


def _guerdon(row: Row, _: str) -> list[Record | Rated]:
    code = _at(row, "choice")
    if not (code is None or isinstance(code, str)) or code not in CODES:
        raise UnusableError("choice", f"is {code!r:.40}, not first, second, tie or null")
    weight = number_at(row, "weight", 1.0)
    if not 0 <= weight <= HEAVIEST:
        raise UnusableError("weight", "is not from 0 to 1,000,000")
    annotator = row.get("annotator") or ""
    if not isinstance(annotator, str):
        raise UnusableError("annotator", f"is {_kind(annotator)}, not text")
    known = ("prompt", "first", "second", "choice", "margin", "weight", "annotator", "fault")
    return [
        Record(
            text_at(row, "prompt"),
            text_at(row, "first"),
            text_at(row, "second"),
            CODES[code],
            margin_at(row),
            weight,
            annotator,
            _fault(row.get("fault")),
            _rest(row, *known),
        )
    ]


def _fault(value: Any) -> Fault | None:
    if value is None:
        return None
    try:
        kind, detail, whose = value
        return Fault(FaultKind(kind), str(detail), whose)
    except (TypeError, ValueError):
        raise UnusableError("fault", f"is {value!r:.60}, not [kind, detail, whose]") from None


def _trl(row: Row, _: str) -> list[Record | Rated]:
    chosen, rejected = text_at(row, "chosen"), text_at(row, "rejected")
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise UnusableError("rejected", "is text and chosen is messages, or the other way round")
    _different(chosen, rejected, "rejected")
    if row.get("prompt") is None:
        prompt, chosen, rejected = implicit_prompt(chosen, rejected)
    else:
        prompt = text_at(row, "prompt")
        if isinstance(prompt, str) and not isinstance(chosen, str):
            prompt, chosen, rejected = _without_prompt(prompt, chosen, rejected)
    margin = margin_at(row)
    return [
        Record(prompt, chosen, rejected, margin=margin, columns=_rest(row, "prompt", "chosen", "rejected", "margin"))
    ]


def implicit_prompt(chosen: Text, rejected: Text) -> tuple[Text, Text, Text]:
    """Prompt and both responses, from two texts or conversations that begin with the prompt: what they share.

    Of texts, a shared space before the first difference belongs to the responses, as TRL has it.

    Raises:
        UnusableError: they share nothing, or one is the beginning of the other.
    """
    shared, least = 0, min(len(chosen), len(rejected))
    while shared < least and chosen[shared] == rejected[shared]:
        shared += 1
    if shared == least:
        raise UnusableError("chosen", "one response is the beginning of the other", broken=False)
    if isinstance(chosen, str) and shared and chosen[shared - 1] == " ":
        shared -= 1
    if not shared:
        raise UnusableError("prompt", "is missing, and chosen and rejected have no beginning in common")
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _without_prompt(prompt: str, chosen: Text, rejected: Text) -> tuple[Text, Text, Text]:
    """UltraFeedback's binarized form: the prompt as text, and again as the first message of both sides."""
    if any(len(side) < 2 for side in (chosen, rejected)):
        return prompt, chosen, rejected
    shared, chosen, rejected = implicit_prompt(chosen, rejected)
    if isinstance(shared, list) and prompt not in (message["content"] for message in shared):
        raise UnusableError("prompt", "is not a message of the conversation")
    return shared, chosen, rejected


_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def _hh(row: Row, _: str) -> list[Record | Rated]:
    return _histories(
        row, {name: transcript(text_at(row, name, messages=False), name) for name in ("chosen", "rejected")}
    )


def transcript(text: Text, name: str = "transcript") -> list[dict[str, str]]:
    r"""The messages of an Anthropic transcript.

    Raises:
        UnusableError: it does not begin with a turn of the human, or end with one of the assistant.

    >>> transcript("\n\nHuman: Hi\n\nAssistant: Hello")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]
    """
    parts = _TURN.split(text) if isinstance(text, str) else []
    if len(parts) < 5 or parts[0].strip() or parts[1] != "Human" or parts[-2] != "Assistant":
        raise UnusableError(name, 'is not a transcript from "\\n\\nHuman:" to a last "\\n\\nAssistant:"')
    return [{"role": _ROLES[role], "content": said.strip()} for role, said in zip(parts[1::2], parts[2::2])]


def _turns(row: Row, _: str) -> list[Record | Rated]:
    sides = {}
    for name in ("chosen", "rejected"):
        turns = row.get(name)
        if not isinstance(turns, list) or len(turns) < 2 or not all(isinstance(turn, str) for turn in turns):
            raise UnusableError(name, f"is {_kind(turns)}, not a list of two or more texts")
        if len(turns) % 2:
            raise UnusableError(name, "has an odd number of turns, so the last is not the assistant's")
        sides[name] = [{"role": ("user", "assistant")[k % 2], "content": turn} for k, turn in enumerate(turns)]
    return _histories(row, sides)


def _histories(row: Row, sides: Mapping[str, list[dict[str, str]]]) -> list[Record | Rated]:
    chosen, rejected = sides["chosen"], sides["rejected"]
    if chosen[:-1] != rejected[:-1]:
        raise UnusableError("rejected", "the conversations differ before their last turn", broken=False)
    _different(chosen, rejected, "rejected")
    margin = margin_at(row)
    return [
        Record(
            chosen[:-1], chosen[-1:], rejected[-1:], margin=margin, columns=_rest(row, "chosen", "rejected", "margin")
        )
    ]


_ALPACA: Mapping[float, int] = {1: FIRST, 2: SECOND, 1.5: TIE, 0: TIE}


def _alpaca_farm(row: Row, _: str) -> list[Record | Rated]:
    instruction, extra = text_at(row, "instruction", messages=False), row.get("input") or ""
    if not isinstance(extra, str):
        raise UnusableError("input", f"is {_kind(extra)}, not text")
    first, second = (text_at(row, name, messages=False) for name in ("output_1", "output_2"))
    told = None if row.get("preference") is None else number_at(row, "preference")
    if told is not None and told not in _ALPACA:
        raise UnusableError("preference", f"is {told:g}, not 1, 2, 1.5 or 0")
    annotator = row.get("annotator") or ""
    columns = {"instruction": instruction, "input": extra}
    columns |= _rest(row, "instruction", "input", "output_1", "output_2", "preference", "annotator")
    prompt = f"{instruction}\n\n{extra}" if extra else instruction
    code = UNKNOWN if told is None else _ALPACA[told]
    return [Record(prompt, first, second, code, annotator=str(annotator), columns=columns)]


def _stack_exchange(row: Row, _: str) -> list[Record | Rated]:
    prompt, first, second = (text_at(row, name, messages=False) for name in ("question", "response_j", "response_k"))
    _different(first, second, "response_k")
    return [Record(prompt, first, second, columns=_rest(row, "question", "response_j", "response_k"))]


# ---- scored responses ------------------------------------------------------------------------------------------------


def _helpsteer(row: Row, score: str) -> list[Record | Rated]:
    columns = _rest(row, "prompt", "response")
    return [Rated(text_at(row, "prompt"), text_at(row, "response"), number_at(row, score), columns)]


def _ultrafeedback(row: Row, score: str) -> list[Record | Rated]:
    prompt = text_at(row, "instruction" if "instruction" in row else "prompt")
    completions = _at(row, "completions")
    if not isinstance(completions, list) or len(completions) < 2:
        raise UnusableError("completions", "is not a list of two or more")
    rated: list[Rated] = []
    for k, one in enumerate(completions):
        if not isinstance(one, dict):
            raise UnusableError(f"completions[{k}]", f"is {_kind(one)}, not an object")
        try:
            columns = {
                name: value
                for name, value in one.items()
                if isinstance(value, (str, int, float)) and name != "response"
            }
            rated.append(Rated(prompt, text_at(one, "response"), number_at(one, score), columns))
        except UnusableError as error:
            raise UnusableError(f"completions[{k}].{error.field}", error.reason) from None
    shared = _rest(row, "instruction", "prompt", "completions")
    return [*paired(rated, shared)]


def paired(rated: list[Rated], shared: Row = MappingProxyType({})) -> list[Record]:
    """All pairs of scored responses to one prompt; equal scores are ties, the margin is the difference.

    Columns of each response get `_first` and `_second`; identical responses are not paired.
    """
    found = []
    for one, two in combinations(rated, 2):
        if key_of(one.response) == key_of(two.response):
            continue
        gap = one.score - two.score
        columns = {**shared}
        for name in one.columns:
            columns[f"{name}_first"], columns[f"{name}_second"] = one.columns[name], two.columns.get(name)
        code = TIE if gap == 0 else FIRST if gap > 0 else SECOND
        found.append(Record(one.prompt, one.response, two.response, code, abs(gap), columns=columns))
    return found


def _has(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(name in row for name in names)


def _is_hh(row: Row) -> bool:
    chosen = row.get("chosen")
    return "rejected" in row and "prompt" not in row and isinstance(chosen, str) and "\n\nHuman:" in chosen[:200]


def _is_turns(row: Row) -> bool:
    chosen = row.get("chosen")
    return "rejected" in row and isinstance(chosen, list) and bool(chosen) and isinstance(chosen[0], str)


_ALL = (
    Format("guerdon", _has("prompt", "first", "second", "choice"), _guerdon),
    Format("alpaca-farm", _has("instruction", "output_1", "output_2"), _alpaca_farm),
    Format("stack-exchange", _has("question", "response_j", "response_k"), _stack_exchange),
    Format("hh", _is_hh, _hh),
    Format("turns", _is_turns, _turns),
    Format("trl", _has("chosen", "rejected"), _trl),
    Format("ultrafeedback", _has("completions"), _ultrafeedback, "overall_score"),
    Format("helpsteer", _has("prompt", "response"), _helpsteer, "helpfulness"),
)
FORMATS: Mapping[str, Format] = {each.name: each for each in _ALL}
"""In the order in which they are tried on the first row of a file."""
