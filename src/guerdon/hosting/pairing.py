"""What has been compared in a project, kept up to date by reading what is new, and which two items come next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guerdon.core.intervals import wilson
from guerdon.core.plain import digest
from guerdon.core.rng import stream
from guerdon.hosting.store import Store, unpack
from guerdon.hosting.things import Project
from guerdon.hosting.trust import Trust, trust_of, weighted
from guerdon.prefer import Acquisition, BradleyTerry, Ratings, Votes
from guerdon.prefer.agreement import Accuracy
from guerdon.prefer.votes import POINTS

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

MOST_RATED = 300
"""Of so many systems the most telling pair is looked for; of more, those compared least come first."""
TRIES = 40
MODEL = BradleyTerry(errors="model")
Two = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """An item without its content: id, what is rated, and the group within which it is compared."""

    id: str
    rated: str
    group: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair that was put to an annotator, in the order in which it was shown."""

    id: str
    first: str
    second: str
    annotator: str
    gold: str

    @property
    def both(self) -> Two:
        """The two items in an order of their own."""
        return _both(self.first, self.second)


@dataclass
class View:
    """A project as far as it has been read."""

    items: dict[str, Known] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    systems: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # rated → group → items
    pairs: dict[str, Asked] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)  # annotator → pairs, in order
    chosen: dict[str, str] = field(default_factory=dict)  # pair → outcome that stands
    version: Counter[str] = field(default_factory=Counter)
    order: dict[str, list[str]] = field(default_factory=dict)  # annotator → pairs by choice, those that stand
    answered: Counter[Two] = field(default_factory=Counter)
    gold: dict[Two, tuple[str, str, str]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    fitted: tuple[tuple[int, str], Ratings] | None = None
    trusted: tuple[tuple[int, str], dict[str, Trust]] | None = None
    allowed: list[Two] | None = None

    def read(self, store: Store, project: str) -> View:
        """Take in what is new."""
        before = len(self.items)
        for seq, name, system, group in self._new(store, "items", 'id, system, "group"', project):
            item = Known(unpack(name), unpack(system) or unpack(name), unpack(group))
            self.items[item.id] = item
            self.groups.setdefault(item.group, []).append(item.id)
            self.systems.setdefault(item.rated, {}).setdefault(item.group, []).append(item.id)
            self.seen["items"] = seq
        if len(self.items) > before:
            self.allowed, self.fitted = None, None
        for seq, first, second, outcome in self._new(store, "gold", "first, second, outcome", project):
            one, two = unpack(first), unpack(second)
            self.gold[_both(one, two)] = (one, two, outcome)
            self.seen["gold"] = seq
        for seq, name, first, second, who, gold in self._new(
            store, "pairs", "id, first, second, annotator, gold", project
        ):
            self.pairs[name] = Asked(name, unpack(first), unpack(second), who, gold)
            self.asked.setdefault(who, []).append(name)
            self.seen["pairs"] = seq
        for seq, pair, who, kind, outcome in self._new(store, "choices", "pair, annotator, kind, outcome", project):
            self._take(pair, who, kind, outcome)
            self.seen["choices"] = seq
        return self

    def _new(self, store: Store, table: str, columns: str, project: str) -> list[Any]:
        sql = f"SELECT seq, {columns} FROM hosting_{table} WHERE project = ? AND seq > ? ORDER BY seq"
        return store.rows(sql, [project, self.seen.get(table, 0)])

    def _take(self, pair: str, who: str, kind: str, outcome: str) -> None:
        both = self.pairs[pair].both
        if kind == "choice":
            self.chosen[pair] = outcome
            self.order.setdefault(who, []).append(pair)
            self.answered[both] += 1
        elif pair in self.chosen:
            del self.chosen[pair]
            self.order[who].remove(pair)
            self.version[pair] += 1
            self.answered[both] -= 1

    # ── ratings ─────────────────────────────────────────────────────────────────────────────────────────────────

    def standing_pairs(self) -> list[tuple[Asked, str]]:
        """Pairs with the choice that stands, in the order of choosing; without gold questions."""
        found = ((self.pairs[name], outcome) for name, outcome in self.chosen.items())
        return [(pair, outcome) for pair, outcome in found if not pair.gold]

    def votes(self) -> Votes:
        """All choices that stand, each of the same weight."""
        pairs = self.standing_pairs()
        return Votes.of(
            [self.items[pair.first].rated for pair, _ in pairs],
            [self.items[pair.second].rated for pair, _ in pairs],
            [outcome for _, outcome in pairs],
            annotators=[pair.annotator for pair, _ in pairs],
            names=list(self.systems),
        )

    def ratings(self, weights: str = "auto") -> Ratings:
        """Ratings by all choices that stand; of items that nobody compared too, with wide intervals.

        Args:
            weights: of votes; see `Comparisons.create`.
        """
        moment = self.seen.get("choices", 0), weights
        if self.fitted is None or self.fitted[0] != moment:
            self.fitted = moment, MODEL.fit(weighted(self.votes(), self.trust(weights)))
        return self.fitted[1]

    def trust(self, weights: str = "auto") -> dict[str, Trust]:
        """What each annotator's votes weigh, and why."""
        moment = self.seen.get("choices", 0), weights
        if self.trusted is None or self.trusted[0] != moment:
            people = self.people()
            by = [self.pairs[name].annotator for name in self.chosen]
            points = [POINTS[outcome] for outcome in self.chosen.values()]
            shared = self.shared(people) if weights == "consensus" else []
            self.trusted = moment, trust_of(people, weights, self.on_gold(people), shared, by, points)
        return self.trusted[1]

    def people(self) -> list[str]:
        """Annotators with a choice that stands."""
        return [name for name, order in self.order.items() if order]

    def on_gold(self, people: Sequence[str]) -> list[Accuracy | None]:
        """How each of them did on gold questions."""
        tried, right = Counter[str](), Counter[str]()
        for name, outcome in self.chosen.items():
            pair = self.pairs[name]
            if pair.gold and outcome != "skip":
                tried[pair.annotator] += 1
                right[pair.annotator] += outcome == pair.gold
        counts = [(right[name], tried[name]) for name in people]
        return [Accuracy(*each, *wilson(*each)) if each[1] else None for each in counts]

    def shared(self, people: Sequence[str]) -> list[list[str | None]]:
        """Labels of pairs that several of them have answered, a column for each of them.

        They are as if every pair had been shown in one order; gold questions are left out.
        """
        column = {name: k for k, name in enumerate(people)}
        rows: dict[Two, list[str | None]] = {}
        for pair, outcome in self.standing_pairs():
            if outcome != "skip" and self.answered[pair.both] > 1:
                row = rows.setdefault(pair.both, [None] * len(people))
                row[column[pair.annotator]] = _oriented(pair.first == _head(pair.both), outcome)
        return [row for row in rows.values() if sum(label is not None for label in row) > 1]

    # ── the next pair ───────────────────────────────────────────────────────────────────────────────────────────

    def next(self, project: Project, annotator: str, overlap: float) -> tuple[Two, str] | None:
        """Two items in the order of showing, and the right outcome of a gold question or ""; `None` when all is done.

        Sides are drawn at random, and the same draw is not made for two questions.
        """
        rng = stream(0, "pair", project.id, annotator, len(self.asked.get(annotator, [])))
        done = {self.pairs[name].both for name in self.asked.get(annotator, [])}
        gold = [both for both in self.gold if both not in done]
        if gold and rng.random() < project.gold_share:
            return self._shown(gold[int(rng.integers(len(gold)))], rng)
        if rng.random() < overlap and (again := self._again(done, rng)):
            return self._shown(again, rng)
        found = self._telling(project, done, rng) or self._least(done, rng)
        found = found or self._again(done, rng) or (gold[0] if gold else None)
        return None if found is None else self._shown(found, rng)

    def _shown(self, both: Two, rng: Rng) -> tuple[Two, str]:
        first, second = both if rng.random() < 0.5 else both[::-1]
        if both not in self.gold:
            return (first, second), ""
        one, _, outcome = self.gold[both]
        turned = {"first": "second", "second": "first"}
        return (first, second), outcome if one == first else turned.get(outcome, outcome)

    def _again(self, done: set[Two], rng: Rng) -> Two | None:
        """A pair that others have answered and this one has not been asked: it tells how well they agree."""
        found = [both for both, count in self.answered.items() if count > 0 and both not in done]
        found = [both for both in found if both not in self.gold]
        return found[int(rng.integers(len(found)))] if found else None

    def _telling(self, project: Project, done: set[Two], rng: Rng) -> Two | None:
        """By the project's rule: the systems whose comparison tells most, and a group in which both have an item."""
        if len(self.systems) > MOST_RATED or len(self.systems) < 2:
            return None
        if self.allowed is None:
            self.allowed = self._together()
        if not self.allowed:
            return None
        rule = Acquisition(rule=project.rule, seed=int(rng.integers(1 << 30)))  # type: ignore[arg-type]
        proposals = rule.propose(self.ratings(project.weights), 4, asked=len(self.chosen), allowed=self.allowed)
        for proposal in proposals:
            if found := self._in_a_group(proposal.first, proposal.second, done, rng):
                return found
        return None

    def _together(self) -> list[Two]:
        """Systems that have items in one group."""
        found: set[Two] = set()
        for members in self.groups.values():
            names = sorted({self.items[name].rated for name in members})
            found.update((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
            if len(found) == len(self.systems) * (len(self.systems) - 1) // 2:
                break
        return sorted(found)

    def _in_a_group(self, one: str, two: str, done: set[Two], rng: Rng) -> Two | None:
        """Items of two systems in the group where they were compared least, that this annotator has not had."""
        groups = [group for group in self.systems[one] if group in self.systems[two]]
        best: tuple[int, Two] | None = None
        for place in rng.permutation(len(groups))[:TRIES].tolist():
            mine, others = self.systems[one][groups[place]], self.systems[two][groups[place]]
            both = _both(mine[int(rng.integers(len(mine)))], others[int(rng.integers(len(others)))])
            if both in done or both in self.gold:
                continue
            count = self.answered[both]
            if best is None or count < best[0]:
                best = count, both
            if count == 0:
                break
        return best[1] if best else None

    def _least(self, done: set[Two], rng: Rng) -> Two | None:
        """Any two of a group that this annotator has not had; those that nobody had first, as far as is tried."""
        names = [group for group, members in self.groups.items() if len(members) > 1]
        best: tuple[int, Two] | None = None
        for _ in range(TRIES * 4 if names else 0):
            members = self.groups[names[int(rng.integers(len(names)))]]
            i, j = int(rng.integers(len(members))), int(rng.integers(len(members) - 1))
            both = _both(members[i], members[j + (j >= i)])
            same = self.items[both[0]].rated == self.items[both[1]].rated
            if same or both in done or both in self.gold:
                continue
            if best is None or self.answered[both] < best[0]:
                best = self.answered[both], both
            if best[0] == 0:
                break
        return best[1] if best else self._any(done)

    def _any(self, done: set[Two]) -> Two | None:
        """The first that is left, by looking at all: so that the last pair is found too."""
        if len(self.items) > 5000:
            return None
        for members in self.groups.values():
            for i, one in enumerate(members):
                for two in members[i + 1 :]:
                    both = _both(one, two)
                    if self.items[one].rated != self.items[two].rated and both not in done and both not in self.gold:
                        return both
        return None


def _both(one: str, two: str) -> Two:
    return (one, two) if one < two else (two, one)


def _head(both: Two) -> str:
    """The side that counts as first: by a digest, for if names went by quality, all labels would be the same."""
    return both[int(digest(*both)[0], 16) % 2]


def _oriented(straight: bool, outcome: str) -> str:
    """An outcome as it would be with the sides in their own order."""
    turned = {"first": "second", "second": "first"}
    return outcome if straight else turned.get(outcome, outcome)
