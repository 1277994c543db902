"""Rewards: sequences of cases in, sequences of scores out; and how a plain function becomes one.

    judge(cases) -> scores      what an author writes
    reward(cases) -> scores     what everybody calls: the same, held to the contract

The contract: same length and order; finite and inside the declared range; an exception, a wrong type or a wrong
length is a fault of the judge that names the reward, never a number.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, overload

from guerdon.core.errors import RewardError
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case

if TYPE_CHECKING:
    from guerdon.core.algebra import GroupTransform

Range = tuple[float, float]
Unit = Literal["answer", "group"]
ANY: Range = (float("-inf"), float("inf"))


class Need(StrEnum):
    """What a reward needs from the machine; the bench checks it before the first attempt."""

    SANDBOX = "sandbox"
    MODEL = "model"
    HUMAN = "human"
    NETWORK = "network"
    GPU = "gpu"


class Reward:
    """Base of every reward. Subclass as a frozen dataclass (its fields are the recipe) and write `judge`.

    Attributes:
        range: smallest and largest value; infinities allowed, but declared.
        unit: "answer" when each answer is judged by itself; "group" when `judge` must see all answers of a task
            at once, in which case it is called with one group at a time and the bench never splits a group.
        needs: what the machine must offer.
    """

    range: Range = (0.0, 1.0)
    unit: Unit = "answer"
    needs: frozenset[Need] = frozenset()
    label: ClassVar[str | None] = None

    @property
    def name(self) -> str:
        """Name for people, parts and faults."""
        return self.label or type(self).__name__.lower()

    def judge(self, cases: Sequence[Case]) -> Sequence[Score | float | None]:
        """Judge a batch (for unit "group": one group). Same length and order."""
        raise RewardError("a reward has a judge method", f"{type(self).__name__} has none", "Write judge(cases)")

    def __call__(self, cases: Sequence[Case]) -> list[Score]:
        """Judge a batch under the contract: as many scores as cases, in order, each a number in range or a fault."""
        if self.unit == "group":
            return scatter(cases, self._guarded)
        return self._guarded(cases)

    def _guarded(self, cases: Sequence[Case]) -> list[Score]:
        if not cases:
            return []
        try:
            scores = list(self.judge(cases))
        except Exception as error:  # noqa: BLE001  # whatever an author's code raises is a fault, not a crash
            if len(cases) > 1 and self.unit == "answer":
                return [self._guarded([case])[0] for case in cases]
            return [self._broken(f"raised {type(error).__name__}: {str(error)[:200]}")] * len(cases)
        if len(scores) != len(cases):
            return [self._broken(f"returned {len(scores)} scores for {len(cases)} cases")] * len(cases)
        return [self._checked(score) for score in scores]

    def _checked(self, score: object) -> Score:
        if score is None:
            return Score.failed(FaultKind.ABSENT, self.name)
        if not isinstance(score, Score):
            try:
                score = Score(cast(float, score))
            except RewardError:
                return self._broken(f"returned {str(score)[:80]!r} ({type(score).__name__}), not a finite float")
        low, high = self.range
        if score.value is not None and not low <= score.value <= high:
            return self._broken(f"returned {score.value}, outside its range [{low}, {high}]")
        return score

    def _broken(self, what: str) -> Score:
        return Score.failed(FaultKind.JUDGE, f"{self.name} {what}")

    # The algebra: every result is a Reward again. Implementations in guerdon.core.algebra.

    def __add__(self, other: Reward | float) -> Reward:
        from guerdon.core.algebra import weighted

        return weighted(self, other)

    __radd__ = __add__

    def __sub__(self, other: Reward | float) -> Reward:
        return self + (-1.0 * other)

    def __mul__(self, other: Reward | float) -> Reward:
        from guerdon.core.algebra import times

        return times(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Reward:
        return -1.0 * self

    def clip(self, low: float = 0.0, high: float = 1.0) -> Reward:
        """Values below `low` become `low`, above `high` become `high`."""
        from guerdon.core.algebra import Clip

        return Clip(self, low, high)

    def or_else(self, value: float, whose: str = "solver") -> Reward:
        """Count faults of `whose` (by default the solver's own: timeouts, crashes) as `value`.

        This is a decision about training, so it is written down here and nowhere implicit.
        """
        from guerdon.core.algebra import OrElse

        return OrElse(self, value, whose)

    def by_group(self, transform: GroupTransform) -> Reward:
        """Replace the values of each group by `transform(values)`, e.g. `ranked` or `standardised`."""
        from guerdon.core.algebra import ByGroup

        return ByGroup(self, transform)


def scatter(cases: Sequence[Case], judge_group: Callable[[Sequence[Case]], Sequence[Score]]) -> list[Score]:
    """Judge cases group by group and put the scores back in the order of the cases."""
    groups: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        groups.setdefault(case.answer.group, []).append(index)
    scores: list[Score | None] = [None] * len(cases)
    for indices in groups.values():
        for index, score in zip(indices, judge_group([cases[i] for i in indices]), strict=True):
            scores[index] = score
    return cast("list[Score]", scores)


@dataclass(frozen=True)
class FunctionReward(Reward):
    """A plain function, called once per answer with what it asks for by parameter name.

    It may ask for `text` (the answer as text), `answer` (its content), `key`, `data` (the task's), `task`, `case`,
    and for any field of the task's data or, if the key is a mapping, of the key. It returns a number, a `Score`, or
    `None` for "not applicable".
    """

    function: Callable[..., Any]
    range: Range = (0.0, 1.0)
    needs: frozenset[Need] = frozenset()

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        function = self.function
        if "<" in function.__qualname__:
            raise PicklingError(f"{function.__qualname__} is not at the top of a module")
        return _rebuild, (function.__module__, function.__qualname__, type(self), self.range, self.needs)

    def judge(self, cases: Sequence[Case]) -> list[Score | float | None]:
        """Call the function for each case."""
        wanted = _parameters(self.function)
        return [self.function(**_arguments(wanted, case)) for case in cases]


@dataclass(frozen=True)
class BatchFunctionReward(FunctionReward):
    """A reward function as TRL calls it: keyword lists `prompts`, `completions`, and every column of the data.

    Columns are the fields of the task's data and, if the key is a mapping, of the key; otherwise the key is the
    column `key`. It returns a list of numbers or `None`.
    """

    def judge(self, cases: Sequence[Case]) -> list[Score | float | None]:
        """Call the function once for the batch."""
        columns: dict[str, list[Any]] = {
            "prompts": [case.task.data.get("prompt") for case in cases],
            "completions": [case.answer.content for case in cases],
            "completion_ids": [case.answer.note.get("completion_ids") for case in cases],
        }
        rows = [_columns(case) for case in cases]
        for name in dict.fromkeys(name for row in rows for name in row if name != "prompt"):
            columns[name] = [row.get(name) for row in rows]
        if not _takes_everything(self.function):
            wanted = _parameters(self.function)
            columns = {name: column for name, column in columns.items() if name in wanted}
        return list(self.function(**columns))


@overload
def reward(function: Callable[..., Any], /) -> FunctionReward: ...
@overload
def reward(*, range: Range = ..., needs: Sequence[Need] = ...) -> Callable[[Callable[..., Any]], FunctionReward]: ...
def reward(
    function: Callable[..., Any] | None = None, /, *, range: Range = (0.0, 1.0), needs: Sequence[Need] = ()
) -> FunctionReward | Callable[[Callable[..., Any]], FunctionReward]:
    """Make a reward of a plain function, or of one written for TRL (it has a parameter `completions`).

    Args:
        function: the function, when used without arguments.
        range: smallest and largest value it returns.
        needs: what it needs from the machine.

    >>> from guerdon.core.task import Answer, Task
    >>> @reward
    ... def short(text):
    ...     return 1.0 if len(text) < 5 else 0.0
    >>> task = Task("t")
    >>> [s.value for s in short([Case(task, Answer("t", "ok")), Case(task, Answer("t", "too long"))])]
    [1.0, 0.0]
    """
    if function is None:
        return lambda fn: reward_of(fn, range, frozenset(needs))
    return reward_of(function, range, frozenset(needs))


def reward_of(function: Callable[..., Any], range: Range, needs: frozenset[Need]) -> FunctionReward:
    """The reward for a function of either calling convention."""
    kind = BatchFunctionReward if "completions" in _parameters(function) else FunctionReward
    return kind(function, range, needs)


_NAMES = ("text", "answer", "key", "data", "task", "case")


@functools.lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(name for name, p in inspect.signature(function).parameters.items() if p.kind in kinds)


def _takes_everything(function: Callable[..., Any]) -> bool:
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def _columns(case: Case) -> Mapping[str, Any]:
    key = case.key if isinstance(case.key, Mapping) else {} if case.key is None else {"key": case.key}
    return {**case.task.data, **key}


def _arguments(wanted: Sequence[str], case: Case) -> dict[str, Any]:
    known: dict[str, Any] = {
        **_columns(case),
        "text": case.answer.content if isinstance(case.answer.content, str) else str(case.answer.content),
        "answer": case.answer.content,
        "key": case.key,
        "data": case.task.data,
        "task": case.task,
        "case": case,
    }
    return {name: known[name] for name in wanted if name in known}


def parts_of(thing: Reward) -> list[Reward]:
    """The rewards that a composite is made of, directly."""
    found: list[Reward] = []
    for f in fields(cast(Any, thing)):
        value = getattr(thing, f.name)
        found += [item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, Reward)]
    return found


def needs_of(thing: Reward) -> frozenset[Need]:
    """What a reward and all its parts need from the machine."""
    return thing.needs.union(*(needs_of(part) for part in parts_of(thing)))


def _rebuild(
    module: str, name: str, kind: type[FunctionReward], range: Range, needs: frozenset[Need]
) -> FunctionReward:
    """A function reward in another process, where the decorated name stands for the reward and not the function."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return kind(found.function if isinstance(found, FunctionReward) else found, range, needs)
