"""`PreferenceSet`: the one type for preference data, in columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, Outcome, Pair
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Answer, Task
from guerdon.prefer.columns import (
    CHOICES,
    FIRST,
    SECOND,
    TIE,
    UNKNOWN,
    Column,
    check_lengths,
    check_numbers,
    codes_of,
    exchanged,
    plain,
)
from guerdon.prefer.texts import Text, hash_of, is_text, key_of, length_of, prompt_of, response_of
from guerdon.prefer.votes import Bools, Floats, Votes

if TYPE_CHECKING:
    from guerdon.ledger import Ledger

__all__ = [
    "CHOICES", "FIRST", "SECOND", "TIE", "UNKNOWN", "Column", "PreferenceSet", "Text", "is_text", "key_of", "prompt_of",
    "response_of",
]  # fmt: skip

_OWN = ("prompt", "first", "second", "choice", "margin", "weight", "annotator", "fault")
_OUTCOMES: dict[int, Outcome] = {FIRST: "left", SECOND: "right", TIE: "tie"}
_SKIPPED = Fault(FaultKind.ABSENT, "skipped")


@dataclass(frozen=True, eq=False)
class PreferenceSet:
    """n times two responses to a prompt, and which of them was preferred by whom.

    Columns are lists (texts, or conversations as lists of messages) and arrays, all of length n. Every method that
    changes something returns a new set; texts are shared, not copied.

    Args:
        prompt: what was asked.
        first: one response: text, or messages.
        second: the other.
        choice: (n,) int8: FIRST (1), SECOND (2), TIE (0) or UNKNOWN (-1).
        margin: (n,) by how much the chosen side is better, in any unit; nan where it is not known. It may be below 0
            where an estimate of the strength contradicts the label.
        weight: (n,) of each row, at least 0.
        annotator: who chose; "" where nobody is named.
        fault: why a choice is unknown; `None` elsewhere.
        columns: further columns by name (scores of both sides, topology of a tree, language ...), kept by every method.
            Names that end in `_first` and `_second` change places when sides are swapped.

    >>> rows = PreferenceSet.of(["2 + 2?"], ["4"], ["5"], ["first"], annotator=["ann"])
    >>> rows.swapped().row(0)["choice"]
    'second'
    """

    prompt: list[Text]
    first: list[Text]
    second: list[Text]
    choice: npt.NDArray[np.int8]
    margin: Floats
    weight: Floats
    annotator: list[str]
    fault: list[Fault | None]
    columns: Mapping[str, Column] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        prompt: Sequence[Text],
        first: Sequence[Text],
        second: Sequence[Text],
        choice: Sequence[Any] | npt.NDArray[np.int8],
        *,
        margin: npt.ArrayLike | None = None,
        weight: npt.ArrayLike | None = None,
        annotator: Sequence[str] | None = None,
        fault: Sequence[Fault | None] | None = None,
        columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]] | None = None,
    ) -> PreferenceSet:
        """A set from columns.

        Args:
            prompt: see the class.
            first: see the class.
            second: see the class.
            choice: "first" (or "left"), "second" ("right"), "tie", or `None` ("skip"); or an array of codes.
            margin: nan by default.
            weight: 1 by default.
            annotator: "" by default.
            fault: of the unknown ones; "skipped" by default.
            columns: further ones.

        Raises:
            ConfigError: a column has another length, a choice is not one of these, a margin is beyond 1,000,000
                either way, or a weight is not from 0 to 1,000,000.
        """
        n = len(prompt)
        codes = codes_of(choice)
        margins = np.full(n, math.nan) if margin is None else np.asarray(margin, float)
        weights = np.ones(n) if weight is None else np.asarray(weight, float)
        reasons: list[Fault | None] = list(fault) if fault is not None else [None] * n
        free = {name: each if isinstance(each, np.ndarray) else list(each) for name, each in (columns or {}).items()}
        named = {"first": first, "second": second, "choice": codes, "margin": margins, "weight": weights}
        check_lengths(n, {**named, "annotator": annotator, "fault": reasons, **free})
        for name in free:
            if name in _OWN:
                raise ConfigError("further columns have names of their own", f"got {name!r}", "Rename it")
        check_numbers(margins, weights)
        for k in np.flatnonzero(codes == UNKNOWN).tolist():
            reasons[k] = reasons[k] or _SKIPPED
        return cls(
            list(prompt),
            list(first),
            list(second),
            codes,
            margins,
            weights,
            [""] * n if annotator is None else list(annotator),
            reasons,
            free,
        )

    @classmethod
    def from_rankings(
        cls,
        prompt: Sequence[Text],
        responses: Sequence[Sequence[Text]],
        ranks: Sequence[Sequence[float]],
        *,
        annotator: Sequence[str] | None = None,
        even: bool = False,
    ) -> PreferenceSet:
        """All pairs of ranked responses, with `ranking` (its number), `rank_first` and `rank_second` as columns.

        Args:
            prompt: of each ranking.
            responses: of each ranking, two or more.
            ranks: their ranks, 1 (or the lowest) for the best; equal ranks are ties; nan for one that was not ranked.
            annotator: of each ranking.
            even: weigh the pairs of a ranking so that they sum to 1.
        """
        check_lengths(len(prompt), {"responses": responses, "ranks": ranks, "annotator": annotator})
        picked: list[tuple[int, int, int]] = []
        weight: list[float] = []
        for k, (each, placed) in enumerate(zip(responses, ranks)):
            if len(each) != len(placed):
                raise ConfigError(
                    f"a rank for each of the {len(each)} responses", f"ranking {k} has {len(placed)}", "Align them"
                )
            known = [i for i, rank in enumerate(placed) if not math.isnan(rank)]
            pairs = [(k, i, j) for a, i in enumerate(known) for j in known[a + 1 :]]
            picked += pairs
            weight += [1 / max(len(pairs), 1) if even else 1.0] * len(pairs)
        one = np.array([ranks[k][i] for k, i, _ in picked], float)
        two = np.array([ranks[k][j] for k, _, j in picked], float)
        return cls.of(
            [prompt[k] for k, _, _ in picked],
            [responses[k][i] for k, i, _ in picked],
            [responses[k][j] for k, _, j in picked],
            np.where(one == two, TIE, np.where(one < two, FIRST, SECOND)).astype(np.int8),
            weight=weight,
            annotator=None if annotator is None else [annotator[k] for k, _, _ in picked],
            columns={"ranking": np.array([k for k, _, _ in picked], np.int64), "rank_first": one, "rank_second": two},
        )

    @classmethod
    def from_pairs(cls, pairs: Sequence[Pair], choices: Sequence[Choice]) -> PreferenceSet:
        """What a preference said of some pairs, with the columns `task`, and `note` where there are notes."""
        check_lengths(len(pairs), {"choices": choices})
        notes: dict[str, list[Any]] = {}
        if any(choice.note for choice in choices):
            notes["note"] = [dict(choice.note) for choice in choices]
        return cls.of(
            [prompt_of(pair.task) for pair in pairs],
            [response_of(pair.left) for pair in pairs],
            [response_of(pair.right) for pair in pairs],
            [choice.outcome for choice in choices],
            margin=[choice.strength if choice.outcome in ("left", "right") else math.nan for choice in choices],
            annotator=[choice.judge for choice in choices],
            fault=[choice.fault for choice in choices],
            columns={"task": [pair.task.id for pair in pairs], **notes},
        )

    @classmethod
    def from_ledger(cls, ledger: Ledger, run: str | None = None, *, reveal: bool = False) -> PreferenceSet:
        """The recorded choices of a run, or of all runs, with `task`, `attempt_first`, `attempt_second` and `run`.

        Args:
            ledger: where from.
            run: its id or a prefix; all runs by default.
            reveal: also those of sealed splits, which are left out otherwise.

        Raises:
            ConfigError: a choice is about an attempt that is not recorded (of any run).
        """
        runs = [ledger.run(run)] if run is not None else ledger.runs()
        kept: list[tuple[Any, Task, Answer, Answer]] = []
        for row in runs:
            if row.visibility == "sealed" and not reveal:
                continue
            tasks, choices = ledger.tasks(row.challenge), ledger.choices(row.id)
            answers = {each.id: each.answer for each in ledger.attempts(row.id)} if choices else {}
            if any(name not in answers for each in choices for name in (each.left, each.right)):
                answers = {each.id: each.answer for each in ledger.attempts()}  # a contest between runs
            for each in choices:
                if each.left not in answers or each.right not in answers:
                    raise ConfigError("choices about recorded attempts", f"{each.id} is not", "Record the attempts")
                task = tasks.get(each.task) or Task(each.task)
                kept.append((each, task, answers[each.left], answers[each.right]))
        found = cls.from_pairs([Pair(task, *sides) for _, task, *sides in kept], [each.choice for each, *_ in kept])
        columns = {
            **found.columns,
            "attempt_first": [each.left for each, *_ in kept],
            "attempt_second": [each.right for each, *_ in kept],
            "run": [each.run for each, *_ in kept],
        }
        names = [each.annotator or each.choice.judge for each, *_ in kept]
        return replace(found, annotator=names, columns=columns)

    # ---- rows --------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.prompt)

    def row(self, k: int) -> dict[str, Any]:
        """One row, JSON-plain; what is not known is `None`."""
        fault = self.fault[k]
        return {
            "prompt": self.prompt[k],
            "first": self.first[k],
            "second": self.second[k],
            "choice": CHOICES[int(self.choice[k])],
            "margin": None if math.isnan(self.margin[k]) else float(self.margin[k]),
            "weight": float(self.weight[k]),
            "annotator": self.annotator[k],
            "fault": None if fault is None else [fault.kind.value, fault.detail, fault.whose],
            **{name: plain(column[k]) for name, column in self.columns.items()},
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows."""
        return map(self.row, range(len(self)))

    def take(self, rows: npt.ArrayLike | Sequence[int]) -> PreferenceSet:
        """Some rows, by a mask or by positions."""
        which = np.asarray(rows)
        if which.dtype == bool:
            check_lengths(len(self), {"the mask": which})
            which = np.flatnonzero(which)
        places = which.astype(np.int64).tolist()

        def some(column: Any) -> Any:
            return column[places] if isinstance(column, np.ndarray) else [column[k] for k in places]

        return self._made(map(some, self._own()), {name: some(each) for name, each in self.columns.items()})

    @classmethod
    def _made(cls, own: Iterable[Any], columns: Mapping[str, Any]) -> PreferenceSet:
        prompt, first, second, choice, margin, weight, annotator, fault = own
        return cls(prompt, first, second, choice, margin, weight, annotator, fault, columns)

    def _own(self) -> tuple[Any, ...]:
        return (
            self.prompt, self.first, self.second, self.choice, self.margin, self.weight, self.annotator, self.fault
        )  # fmt: skip

    def where(self, keep: Callable[[dict[str, Any]], bool]) -> PreferenceSet:
        """The rows that a function of the row keeps. For columns, `take` with a mask is faster."""
        return self.take(np.fromiter(map(keep, self.rows()), bool, len(self)))

    @property
    def decided(self) -> Bools:
        """(n,) where a side was chosen."""
        decided: Bools = (self.choice == FIRST) | (self.choice == SECOND)
        return decided

    @property
    def points(self) -> Floats:
        """(n,) what the first side got: 1, 0.5, 0, or nan where it is unknown."""
        return np.array([0.5, 1.0, 0.0, math.nan])[self.choice]

    def __add__(self, other: PreferenceSet) -> PreferenceSet:
        """The rows of both; a further column that one of them lacks is `None` there."""
        names = dict.fromkeys([*self.columns, *other.columns])

        def joined(name: str) -> Column:
            parts = [each.columns.get(name, [None] * len(each)) for each in (self, other)]
            if all(isinstance(part, np.ndarray) for part in parts):
                return np.concatenate(parts)
            return [value for part in parts for value in part]

        both = [
            np.concatenate([a, b]) if isinstance(a, np.ndarray) else a + b for a, b in zip(self._own(), other._own())
        ]
        return self._made(both, {name: joined(name) for name in names})

    # ---- sides -------------------------------------------------------------------------------------------------------

    def swapped(self, rows: npt.ArrayLike | None = None) -> PreferenceSet:
        """The same preferences with the sides exchanged, everywhere or in the rows of a mask; the meaning stays."""
        mask = np.ones(len(self), bool) if rows is None else np.asarray(rows, bool)
        check_lengths(len(self), {"the mask": mask})
        turned = mask & self.decided
        columns = dict(self.columns)
        for name in self.columns:
            other = f"{name.removesuffix('_first')}_second"
            if name.endswith("_first") and other in self.columns:
                columns[name], columns[other] = exchanged(self.columns[name], self.columns[other], mask)
        first, second = exchanged(self.first, self.second, mask)
        choice = np.where(turned, FIRST + SECOND - self.choice, self.choice).astype(np.int8)
        return replace(self, first=first, second=second, choice=choice, columns=columns)

    def shuffled_sides(self, seed: int = 0) -> PreferenceSet:
        """Sides drawn by a hash of the row, the same in any order of rows: imported sets have the chosen side first."""
        return self.swapped([hash_of(seed, "side", *key) % 2 == 1 for key in zip(*self._keys())])

    def flipped(self, rows: npt.ArrayLike) -> PreferenceSet:
        """Other labels: the choice of these rows is the other side, and a margin changes its sign."""
        mask = np.asarray(rows, bool)
        check_lengths(len(self), {"the mask": mask})
        turned = mask & self.decided
        choice = np.where(turned, FIRST + SECOND - self.choice, self.choice).astype(np.int8)
        return replace(self, choice=choice, margin=np.where(turned, -self.margin, self.margin))

    # ---- prompts and duplicates --------------------------------------------------------------------------------------

    def split(self, shares: Mapping[str, float], seed: int = 0) -> dict[str, PreferenceSet]:
        """Parts that share no prompt.

        A prompt's part is drawn by its hash, so it stays where it is when rows are added; the shares are met on
        average.

        Args:
            shares: of each part, summing to at most 1.
            seed: of the draw.
        """
        if not shares or min(shares.values()) <= 0 or sum(shares.values()) > 1 + 1e-9:
            raise ConfigError("shares are above 0 and sum to at most 1", f"got {dict(shares)}", "Use 0.9 and 0.1, say")
        ends = np.cumsum(list(shares.values()))
        ends[-1] = max(ends[-1], 1.0) if sum(shares.values()) > 1 - 1e-9 else ends[-1]
        drawn: dict[str, float] = {}
        prompts = list(map(key_of, self.prompt))
        for prompt in prompts:
            if prompt not in drawn:
                drawn[prompt] = hash_of(seed, "split", prompt) / 2**64
        part = np.searchsorted(ends, [drawn[prompt] for prompt in prompts], side="right")
        return {name: self.take(part == k) for k, name in enumerate(shares)}

    def deduplicated(self, *, contradictions: bool = True) -> tuple[PreferenceSet, Counter[str]]:
        """Without repetitions, and how many rows were dropped for which reason.

        A repetition is the same prompt, the same two responses in either order, the same annotator and the same
        choice; the first one stays. Where one annotator chose differently on the same pair, both are kept or, with
        `contradictions=False`, none.
        """
        seen: dict[tuple[Any, ...], set[int]] = {}
        where: dict[tuple[Any, ...], list[int]] = {}
        dropped: Counter[str] = Counter()
        for k, (prompt, one, two) in enumerate(zip(*self._keys())):
            code = int(self.choice[k])
            turned = two < one
            if turned and code in (FIRST, SECOND):
                code = FIRST + SECOND - code
            key = (prompt, *((two, one) if turned else (one, two)), self.annotator[k])
            if code in seen.setdefault(key, set()):
                dropped["repeated"] += 1
                continue
            seen[key].add(code)
            where.setdefault(key, []).append(k)
        keep = []
        for key, places in where.items():
            if not contradictions and len(seen[key] - {UNKNOWN}) > 1:
                dropped["contradictory"] += len(places)
                continue
            keep += places
        return self.take(np.array(sorted(keep), np.int64)), dropped

    def _keys(self) -> tuple[list[str], list[str], list[str]]:
        return list(map(key_of, self.prompt)), list(map(key_of, self.first)), list(map(key_of, self.second))

    # ---- to other forms ----------------------------------------------------------------------------------------------

    def pairs(self) -> list[Pair]:
        """Each row as a pair of answers to a task; the task's id is the column `task`, or a digest of the prompt."""
        names = self.columns.get("task")
        tasks: dict[str, Task] = {}
        found = []
        for k, prompt in enumerate(self.prompt):
            name = f"prompt/{hash_of(0, key_of(prompt)):016x}" if names is None else str(names[k])
            task = tasks.get(name) or tasks.setdefault(name, Task(name, {"prompt": prompt}))
            found.append(Pair(task, Answer(name, self.first[k]), Answer(name, self.second[k])))
        return found

    def choices(self) -> list[Choice]:
        """Each row as a choice; what is unknown keeps its fault."""
        found = []
        for k, code in enumerate(self.choice.tolist()):
            strength = 1.0 if math.isnan(self.margin[k]) else float(self.margin[k])
            if code == UNKNOWN and self.fault[k] == _SKIPPED:
                found.append(Choice("skip", judge=self.annotator[k]))
            elif code == UNKNOWN:
                found.append(Choice(None, judge=self.annotator[k], fault=self.fault[k]))
            else:
                found.append(Choice(_OUTCOMES[code], strength, self.annotator[k]))
        return found

    def votes(self, first: str, second: str, features: Mapping[str, npt.ArrayLike] | None = None) -> Votes:
        """Votes for ratings: the items are in two columns (the models that wrote the responses, say).

        Args:
            first: the column that names the item of the first side.
            second: that of the second side.
            features: covariates, first side minus second.
        """
        missing = [name for name in (first, second) if name not in self.columns]
        if missing:
            raise ConfigError(
                "columns that name the items", f"there is no {missing[0]!r}", f"Take of {list(self.columns)}"
            )
        return Votes.of(
            list(self.columns[first]),
            list(self.columns[second]),
            self.points,
            weights=self.weight,
            annotators=self.annotator if any(self.annotator) else None,
            features=features,
        )

    def table(self) -> tuple[list[list[int | None]], list[str]]:
        """Labels for agreement: a row for each different pair, a column for each annotator, and their names.

        Labels are 1 (the response that sorts first), 2 or 0 (tie); the last of an annotator's on a pair counts.
        """
        names = list(dict.fromkeys(self.annotator))
        column = {name: k for k, name in enumerate(names)}
        found: dict[tuple[str, ...], list[int | None]] = {}
        for k, (prompt, one, two) in enumerate(zip(*self._keys())):
            code, turned = int(self.choice[k]), two < one
            line = found.setdefault((prompt, *((two, one) if turned else (one, two))), [None] * len(names))
            if code != UNKNOWN:
                line[column[self.annotator[k]]] = FIRST + SECOND - code if turned and code != TIE else code
        return list(found.values()), names

    def lengths(self) -> tuple[Floats, Floats]:
        """(n,) characters of the first and of the second responses."""
        return np.array(list(map(length_of, self.first)), float), np.array(list(map(length_of, self.second)), float)
