"""What is audited: a reward, or a judge of pairs, with preferences that it is held against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.plain import digest, not_plain
from guerdon.core.preference import Pair, Preference
from guerdon.core.reward import Reward
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.sets import FIRST, UNKNOWN, PreferenceSet, Text, key_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_POINTS: Mapping[str | None, float] = {"left": 1.0, "tie": 0.5, "right": 0.0}


@dataclass(frozen=True, eq=False)
class Subject:
    """A reward or judge with n labelled pairs.

    Args:
        thing: what is audited.
        rows: pairs with a known choice, sides drawn at random.
        seed: of everything that is drawn.
        left_out: rows of the data that have no choice, or were over the limit.
    """

    thing: Reward | Preference
    rows: PreferenceSet
    seed: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: Reward | Preference, rows: PreferenceSet, *, seed: int = 0, limit: int | None = None) -> Subject:
        """The subject of an audit.

        Args:
            thing: a reward or a preference.
            rows: labelled pairs; those without a choice are left out.
            seed: draws sides, and the rows that are taken under a limit.
            limit: most rows.

        Raises:
            ConfigError: no row has a choice.
        """
        known = np.flatnonzero(rows.choice != UNKNOWN)
        if not len(known):
            raise ConfigError("pairs with a known choice", f"none of {len(rows)} has one", "Check the data")
        left_out = {"without a choice": len(rows) - len(known)}
        if limit is not None and len(known) > limit:
            left_out["over the limit"] = len(known) - limit
            known = np.sort(np.random.default_rng([seed, 31]).permutation(known)[:limit])
        return cls(thing, rows.take(known).shuffled_sides(seed), seed, {k: v for k, v in left_out.items() if v})

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """Of what is audited."""
        return self.thing.name

    @property
    def reward(self) -> Reward | None:
        """What is audited, if it scores single answers or groups of them."""
        return self.thing if isinstance(self.thing, Reward) else None

    def rng(self, *name: str | int) -> np.random.Generator:
        """Random numbers for one purpose."""
        from guerdon.core.rng import stream

        return stream(self.seed, "audit", *name)

    # ---- what it says ------------------------------------------------------------------------------------------------

    def judged(
        self, prompts: Sequence[Text], answers: Sequence[Text], places: Sequence[int] | None = None
    ) -> list[Score]:
        """Scores of answers in one batch.

        Args:
            prompts: of each answer.
            answers: to be scored.
            places: rows of the data whose further columns the reward may see; by default it sees none.
        """
        if self.reward is None:
            raise ConfigError("a reward, which scores answers", f"{self.name} compares pairs", "Skip this probe")
        if self.reward.unit == "group":
            raise ConfigError("a reward of single answers", f"{self.name} judges groups as a whole", "Skip this probe")
        return self.reward(cases_of(prompts, answers, None if places is None else [self.keys[k] for k in places]))

    def score(self, prompts: Sequence[Text], answers: Sequence[Text], places: Sequence[int] | None = None) -> Floats:
        """(n,) scores as numbers; nan is unknown. See `judged`."""
        return values(self.judged(prompts, answers, places))

    @cached_property
    def keys(self) -> list[dict[str, Any]]:
        """Further columns of each row, those of single sides excepted."""
        shared = {
            name: column
            for name, column in self.rows.columns.items()
            if not name.endswith(("_first", "_second")) and name.isidentifier()
        }
        return [
            {name: item for name, column in shared.items() if not_plain(item := _plain(column[k])) is None}
            for k in range(len(self))
        ]

    @cached_property
    def scored(self) -> tuple[list[Score], list[Score]]:
        """Scores of both sides; a reward of groups sees the two sides of a row as a group."""
        if self.reward is None:
            raise ConfigError("a reward, which scores answers", f"{self.name} compares pairs", "Skip this probe")
        rows, places = self.rows, [*range(len(self))] * 2
        keys = [self.keys[k] for k in places]
        cases = cases_of([*rows.prompt, *rows.prompt], [*rows.first, *rows.second], keys, [*map(str, places)])
        found = self.reward(cases)
        return found[: len(rows)], found[len(rows) :]

    @cached_property
    def scores(self) -> tuple[Floats, Floats]:
        """(n,) scores of the first and of the second sides; nan is unknown."""
        first, second = self.scored
        return values(first), values(second)

    @cached_property
    def choices(self) -> tuple[Floats, Floats]:
        """(n,) what a judge of pairs gives to the first side, shown in this order and in the other; nan is unknown."""
        pairs = pairs_of(self.rows, self.keys)
        if not isinstance(self.thing, Preference):
            raise ConfigError("a judge of pairs", f"{self.name} scores answers", "Skip this probe")
        found = self.thing([*pairs, *(pair.swapped() for pair in pairs)])
        told = np.array([_POINTS.get(choice.outcome, math.nan) for choice in found])
        return told[: len(pairs)], 1 - told[len(pairs) :]

    @cached_property
    def points(self) -> Floats:
        """(n,) what the subject gives to the first side: 1, 0.5 or 0; nan is unknown."""
        if self.reward is None:
            one, two = self.choices
            return (one + two) / 2
        found: Floats = np.sign(self.gap) / 2 + 0.5
        return found

    @cached_property
    def gap(self) -> Floats:
        """(n,) score of the first side minus that of the second; for a judge of pairs, its points minus one half."""
        if self.reward is None:
            return self.points - 0.5
        return self.scores[0] - self.scores[1]

    @cached_property
    def sd(self) -> float:
        """Standard deviation of known scores: the unit for how large a change is. 1 where it is 0 or unknown."""
        every = np.concatenate(self.scores)
        known = every[~np.isnan(every)]
        found = float(known.std()) if len(known) else 0.0
        return found if found > 0 else 1.0

    # ---- what the labels say -----------------------------------------------------------------------------------------

    def digest(self) -> str:
        """A name for the labelled pairs, whichever side is first."""
        rows = []
        for k, decided in enumerate(self.rows.decided.tolist()):
            sides = [key_of(self.side(k)), key_of(self.side(k, False))]
            rows.append([key_of(self.rows.prompt[k]), *(sides if decided else sorted(sides)), decided])
        return digest(rows)

    @cached_property
    def groups(self) -> Ints:
        """(n,) the number of each row's prompt: rows of one prompt are not independent."""
        known: dict[str, int] = {}
        return np.array([known.setdefault(key_of(prompt), len(known)) for prompt in self.rows.prompt], np.int64)

    @cached_property
    def right(self) -> Floats:
        """(n,) 1 where the subject agrees with the label, 0 where not, 0.5 where it sees no difference; nan for ties
        of the labels and unknown scores.
        """
        agreed = np.where(self.rows.choice == FIRST, self.points, 1 - self.points)
        found: Floats = np.where(self.rows.decided, agreed, math.nan)
        return found

    @cached_property
    def lengths(self) -> tuple[Floats, Floats]:
        """(n,) characters of both sides."""
        return self.rows.lengths()

    def side(self, k: int, better: bool = True) -> Text:
        """The chosen answer of a row, or the other."""
        return self.rows.first[k] if (self.rows.choice[k] == FIRST) == better else self.rows.second[k]

    def some(self, most: int, *name: str | int) -> list[int]:
        """Places of decided rows whose scores are known, one of each prompt, drawn at random."""
        usable = np.flatnonzero(self.rows.decided & ~np.isnan(self.gap))
        order = self.rng("some", *name).permutation(usable)
        firsts: dict[int, int] = {}
        for k in order.tolist():
            firsts.setdefault(int(self.groups[k]), k)
        return sorted([*firsts.values()][:most])


def cases_of(
    prompts: Sequence[Text],
    answers: Sequence[Text],
    keys: Sequence[Mapping[str, Any]] | None = None,
    groups: Sequence[str] | None = None,
) -> list[Case]:
    """Prompts with answers as a reward takes them; answers to equal prompts are of one task."""
    found = []
    for k, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        name = f"prompt/{digest(key_of(prompt))[:16]}"
        note = {"group": groups[k]} if groups else {}
        found.append(Case(Task(name, {"prompt": prompt}), Answer(name, answer, note=note), keys[k] if keys else None))
    return found


def pairs_of(rows: PreferenceSet, keys: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Rows as pairs for a judge."""
    return [Pair(pair.task, pair.left, pair.right, keys[k]) for k, pair in enumerate(rows.pairs())]


def values(scores: Sequence[Score]) -> Floats:
    """(n,) scores as numbers; nan is unknown."""
    return np.array([math.nan if score.value is None else score.value for score in scores], float)


def faults(scores: Sequence[Score]) -> Counter[str]:
    """Why scores are unknown, the most frequent reason first."""
    return Counter(str(score.fault)[:160] for score in scores if score.value is None)


def shown(text: Text, most: int = 600) -> str:
    """A text for people, cut."""
    flat = text if isinstance(text, str) else "\n".join(f"{m['role']}: {m['content']}" for m in text)
    return flat if len(flat) <= most else f"{flat[:most]} … ({len(flat) - most:,} more characters)"


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
