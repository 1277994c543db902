"""People compare two things at a time, without knowing whose they are; ratings and agreement follow along."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from guerdon.core.errors import did_you_mean
from guerdon.core.plain import Blob, Json, digest
from guerdon.hosting.compared import (
    Annotator,
    Item,
    Outcome,
    Rated,
    Review,
    ShownPair,
    Side,
    Standing,
    pseudonym,
)
from guerdon.hosting.errors import HostingError, NotFoundError
from guerdon.hosting.may import Action, ensure, may
from guerdon.hosting.pairing import Asked, View
from guerdon.hosting.reviewing import Seen
from guerdon.hosting.store import Store, Writer, new_id, pack, packed, unpack, unpacked
from guerdon.hosting.things import Actor, Project
from guerdon.hosting.trust import WEIGHTS, basis
from guerdon.ledger.codec import plain
from guerdon.ledger.database import execute
from guerdon.prefer import PreferenceSet
from guerdon.prefer.acquisition import RULES
from guerdon.prefer.agreement import Accuracy

BATCH = 5000
PREFETCH = 8


class Comparisons:
    """The comparison projects of a host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._views: dict[str, tuple[int, View]] = {}
        self._guard = threading.RLock()

    # ── projects ────────────────────────────────────────────────────────────────────────────────────────────────

    def create(
        self, actor: Actor, slug: str, title: str, question: str = "Which is better?", *, rule: str = "information",
        gold_share: float = 0.1, overlap: float = 0.2, weights: str = "auto",
    ) -> Project:  # fmt: skip
        """Open a project.

        Args:
            actor: an organiser.
            slug: its name in addresses.
            title: for people.
            question: what to look for.
            rule: how the next pair is chosen, see `prefer.Acquisition`.
            gold_share: share of gold questions, where there are any.
            overlap: share of pairs that somebody else has answered already, to measure agreement.
            weights: how votes are weighted: by accuracy on "gold" questions, or by "consensus" with those who answered
                the same pairs (Dawid and Skene), as soon as 10 of either are answered; "auto" is gold; "none" weighs
                everybody alike. Whoever looks like a bot counts for nothing, but for "none".

        Raises:
            HostingError: the slug is taken, or a setting is not usable.
        """
        ensure(actor, Action.CREATE_PROJECT)
        if not slug or len(slug) > 40 or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in slug):
            raise HostingError("a slug of a-z, 0-9 and -, at most 40", f"got {slug!r:.60}", "Try my-project")
        if rule not in RULES:
            raise HostingError("a rule for choosing pairs", f"got {rule!r:.40}", did_you_mean(rule, RULES))
        if not (0 <= gold_share < 1 and 0 <= overlap < 1):
            raise HostingError("shares from 0 to below 1", f"got {gold_share} and {overlap}", "Try 0.1 and 0.2")
        settings = {"rule": rule, "gold_share": gold_share, "overlap": overlap, "weights": _weights(weights)}

        def work(to: Writer) -> None:
            if to.rows("SELECT 1 FROM hosting_projects WHERE slug = ?", [slug]):
                raise HostingError("a slug of its own", f"{slug} is taken", "Choose another")
            to.insert(
                "projects", id=new_id(), slug=slug, title=pack(title), question=pack(question),
                settings=packed(settings), made_by=actor.person, created=to.now,
            )  # fmt: skip
            to.record(actor.person, "create project", slug, rule=rule)

        self._store.write(work)
        return self.find(slug)

    def weigh(self, actor: Actor, project: str, weights: str) -> Project:
        """Weigh votes in another way from now on, those that were given too; see `create`."""
        found = self._mine(actor, project, Action.RUN_PROJECT)
        settings = {**self._settings(found.id), "weights": _weights(weights)}

        def work(to: Writer) -> None:
            to.change("UPDATE hosting_projects SET settings = ? WHERE id = ?", [packed(settings), found.id])
            to.record(actor.person, "weigh", project, weights=weights)
            to.tell("comparison", "", found.id)

        self._store.write(work)
        return self.find(project)

    def find(self, slug: str) -> Project:
        """A project by its slug.

        Raises:
            NotFoundError: there is none.
        """
        found = self._store.rows(f"{_PROJECT} WHERE slug = ?", [pack(slug[:60])])
        if not found:
            raise NotFoundError("a comparison project", f"got {slug!r:.60}", "See the list")
        return _project(found[0])

    def list(self, actor: Actor) -> list[Project]:
        """The projects that an actor may annotate or run, newest first."""
        found = map(_project, self._store.rows(f"{_PROJECT} ORDER BY seq DESC"))
        return [project for project in found if may(actor, Action.ANNOTATE, project)]

    def add(self, actor: Actor, project: str, items: Iterable[Item]) -> int:
        """Add items; those whose id is there already are left as they are. Returns how many are new.

        Raises:
            HostingError: an item has no id, or its content is not plain data.
        """
        found = self._mine(actor, project, Action.RUN_PROJECT)
        before = self._count(found.id)
        stream = iter(items)
        while batch := list(islice(stream, BATCH)):
            rows = [_item_columns(found.id, item) for item in batch]
            self._store.write(lambda to, rows=rows: _insert_items(to, rows))  # type: ignore[misc]
        new = self._count(found.id) - before
        if new:
            self._store.write(lambda to: to.record(actor.person, "add items", project, count=new))
        return new

    def _count(self, project: str) -> int:
        return int(self._store.rows("SELECT COUNT(*) FROM hosting_items WHERE project = ?", [project])[0][0])

    def add_gold(self, actor: Actor, project: str, first: str, second: str, outcome: Outcome | str) -> None:
        """Add a gold question: two items whose comparison is known. Adding it again changes nothing.

        Raises:
            HostingError: an item is not there, or the outcome is neither first, second, tie nor both-bad.
        """
        found = self._mine(actor, project, Action.RUN_PROJECT)
        view = self._view(found)
        for name in (first, second):
            if name not in view.items:
                raise HostingError("items of the project", f"got {name!r:.60}", "Add it first")
        outcome = _outcome(outcome)
        if outcome is Outcome.SKIP or first == second:
            raise HostingError("two items and what is right of them", f"got {outcome.value}", "Choose another")

        def work(to: Writer) -> None:
            to.insert("gold", project=found.id, first=pack(first), second=pack(second), outcome=outcome.value)

        self._store.write(work)

    # ── annotating ──────────────────────────────────────────────────────────────────────────────────────────────

    def next_pair(self, actor: Actor, project: str) -> ShownPair | None:
        """The pair to look at now; the same one until it is answered. `None` when nothing is left."""
        pairs = self.next_pairs(actor, project, 1)
        return pairs[0] if pairs else None

    def next_pairs(self, actor: Actor, project: str, count: int = 3) -> Sequence[ShownPair]:
        """The pairs to look at now and next, so that a page can fetch ahead."""
        found = self._mine(actor, project, Action.ANNOTATE)
        overlap = float(self._settings(found.id)["overlap"])
        with self._guard:
            view = self._view(found)
            open_ = _open(view, actor.person)
            while len(open_) < min(count, PREFETCH) and self._ask(view, found, actor.person, overlap):
                open_ = _open(self._view(found), actor.person)
            return [self._shown(view, pair) for pair in open_[:count]]

    def _ask(self, view: View, project: Project, annotator: str, overlap: float) -> bool:
        """Put one more pair to an annotator; whoever else does so at the same moment gets the same one."""
        found = view.next(project, annotator, overlap)
        if found is None:
            return False
        (first, second), gold = found
        name = digest(project.id, annotator, len(view.asked.get(annotator, [])))[:20]

        def work(to: Writer) -> None:
            to.insert(
                "pairs", id=name, project=project.id, first=pack(first), second=pack(second), annotator=annotator,
                gold=gold, asked=to.now,
            )  # fmt: skip

        self._store.write(work)
        return True

    def choose(self, actor: Actor, pair: str, outcome: Outcome | str, version: int = 0) -> None:
        """Record a choice. The same click twice is one choice; a click on an old version of a question does nothing.

        Raises:
            NotFoundError: it is not a question that was put to the actor.
            HostingError: the outcome is not one.
        """
        outcome, found = _outcome(outcome), self._asked(actor, pair)

        def work(to: Writer) -> None:
            rows = to.rows("SELECT kind FROM hosting_choices WHERE pair = ? ORDER BY seq", [pair])
            undone = sum(kind == "undo" for (kind,) in rows)
            if version == undone:
                to.insert(
                    "choices", project=found[0].id, pair=pair, annotator=actor.person, kind="choice",
                    outcome=outcome.value, version=version, at=to.now,
                )  # fmt: skip
                to.tell("comparison", "", found[0].id)

        self._store.write(work)

    def said(self, actor: Actor, pair: str) -> tuple[str | None, int]:
        """What stands of a question of the actor's, `None` while it is open; and how often its choice was taken back.

        Raises:
            NotFoundError: it is not a question that was put to the actor.
        """
        _, view = self._asked(actor, pair)
        return view.chosen.get(pair), view.version[pair]

    def undo(self, actor: Actor, project: str, pair: str = "") -> ShownPair | None:
        """Take back the actor's newest choice that stands; the question comes back. `None` if there is none.

        Args:
            actor: an annotator.
            project: slug.
            pair: which question, so that the same click twice takes back one choice; the newest by default.
        """
        found = self._mine(actor, project, Action.ANNOTATE)
        with self._guard:
            order = self._view(found).order.get(actor.person, [])
            if not order or (pair and pair not in order):
                return None
            pair = pair or order[-1]
            version = self._view(found).version[pair]

            def work(to: Writer) -> None:
                to.insert(
                    "choices", project=found.id, pair=pair, annotator=actor.person, kind="undo", version=version,
                    at=to.now,
                )  # fmt: skip
                to.tell("comparison", "", found.id)

            self._store.write(work)
            view = self._view(found)
            return self._shown(view, view.pairs[pair])

    def media(self, actor: Actor, pair: str, side: str) -> tuple[bytes, str]:
        """The file on one side ("first" or "second") of a question of the actor's, with its media type.

        Raises:
            NotFoundError: there is none.
        """
        found, view = self._asked(actor, pair)
        asked = view.pairs[pair]
        content, _ = self._content(found.id, asked.second if side == "second" else asked.first)
        if not isinstance(content, Blob):
            raise NotFoundError("a file on that side", "it is text", "Show it as text")
        return self._store.ledger.blobs.get(content), content.media

    def _asked(self, actor: Actor, pair: str) -> tuple[Project, View]:
        rows = self._store.rows("SELECT project, annotator FROM hosting_pairs WHERE id = ?", [pack(pair[:64])])
        if not rows or rows[0][1] != actor.person:
            raise NotFoundError("a question that was put to you", f"got {pair!r:.40}", "Take the next one")
        found = _project(self._store.rows(f"{_PROJECT} WHERE id = ?", [rows[0][0]])[0])
        ensure(actor, Action.ANNOTATE, found)
        return found, self._view(found)

    def _shown(self, view: View, pair: Asked) -> ShownPair:
        project = self._store.rows("SELECT project FROM hosting_pairs WHERE id = ?", [pair.id])[0][0]
        (one, prompt), (two, _) = (self._content(project, name) for name in (pair.first, pair.second))
        number = len(view.order.get(pair.annotator, []))
        return ShownPair(pair.id, view.version[pair.id], prompt, _side(one), _side(two), number)

    def _content(self, project: str, item: str) -> tuple[Json | Blob, str]:
        sql = "SELECT content, prompt FROM hosting_items WHERE project = ? AND id = ?"
        content, prompt = self._store.rows(sql, [project, pack(item)])[0]
        plain = unpacked(content)
        if "blob" in plain:
            return Blob(plain["blob"], plain["size"], plain["media"]), unpack(prompt)
        return plain["content"], unpack(prompt)

    # ── what it comes to ────────────────────────────────────────────────────────────────────────────────────────

    def standing(self, actor: Actor, project: str) -> Standing:
        """Ratings and agreement by what has been chosen so far."""
        found = self._mine(actor, project, Action.SEE_RATINGS)
        with self._guard:
            view = self._view(found)
            people, trust = view.people(), view.trust(found.weights)
            gold, shared = [trust[name].gold for name in people], view.shared(people)
            return Standing(
                ratings=_rated(view, found.weights),
                agreement=_alpha(shared),
                shared=len(shared),
                answered=len(view.chosen),
                annotators=[_annotator(found, view, name, trust[name].gold) for name in people],
                items=len(view.items),
                weighted=basis(found.weights, gold, shared),
            )

    def review(self, actor: Actor, project: str) -> Review:
        """Whether the ratings can be relied on; it takes a fit for each annotator.

        What each annotator's votes weigh, who looks like a bot or votes against the others, and on how few votes the
        first rank rests.

        Args:
            actor: an organiser.
            project: slug.
        """
        found = self._mine(actor, project, Action.RUN_PROJECT)
        with self._guard:
            seen = Seen.of(found, self._view(found))
        sql = "SELECT annotator, at FROM hosting_choices WHERE project = ? AND kind = 'choice' ORDER BY seq"
        return seen.review(self._store.rows(sql, [found.id]))

    def preferences(self, actor: Actor, project: str) -> PreferenceSet:
        """The choices that stand, without skips and gold questions; annotators by pseudonym, with what they weigh.

        Columns beside the usual ones: `system_first`, `system_second` and `outcome` ("both-bad" counts as a tie).
        """
        found = self._mine(actor, project, Action.RUN_PROJECT)
        with self._guard:
            view = self._view(found)
            rows = [(pair, outcome) for pair, outcome in view.standing_pairs() if outcome != Outcome.SKIP]
            sql = "SELECT id, content, prompt FROM hosting_items WHERE project = ?"
            trust = view.trust(found.weights)
            texts = {unpack(name): (_text(unpacked(c)), unpack(p)) for name, c, p in self._store.rows(sql, [found.id])}
            return PreferenceSet.of(
                [texts[pair.first][1] for pair, _ in rows],
                [texts[pair.first][0] for pair, _ in rows],
                [texts[pair.second][0] for pair, _ in rows],
                [Outcome.TIE.value if outcome == Outcome.BOTH_BAD else outcome for _, outcome in rows],
                weight=[trust[pair.annotator].weight for pair, _ in rows],
                annotator=[pseudonym(found, pair.annotator) for pair, _ in rows],
                columns={
                    "system_first": [view.items[pair.first].rated for pair, _ in rows],
                    "system_second": [view.items[pair.second].rated for pair, _ in rows],
                    "outcome": [outcome for _, outcome in rows],
                },
            )

    def export(self, actor: Actor, project: str, path: Path, format: str = "trl") -> int:  # noqa: A002
        """Write the choices as chosen and rejected, to `.jsonl` or `.parquet`; returns how many rows were left out.

        Those of annotators that weigh nothing are left out too.

        Args:
            actor: an organiser.
            project: slug.
            path: of the file.
            format: "trl", "trl-implicit", "alpaca-farm" or "guerdon"; only the last two can hold ties, and the last
                weights.
        """
        from guerdon.prefer import write

        rows = self.preferences(actor, project)
        counting = rows.take(rows.weight > 0)
        self._store.write(lambda to: to.record(actor.person, "export", project, format=format))
        return len(rows) - len(counting) + len(write(counting, path, format))  # type: ignore[arg-type]

    # ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _mine(self, actor: Actor, slug: str, action: Action) -> Project:
        found = self.find(slug)
        ensure(actor, action, found)
        return found

    def _view(self, project: Project) -> View:
        """What has been read of a project, and what is new; from the beginning when choices were erased meanwhile."""
        sql = "SELECT COALESCE(MAX(seq), 0) FROM hosting_log WHERE action = 'forget'"
        with self._guard:
            erased = int(self._store.rows(sql)[0][0])
            if project.id not in self._views or self._views[project.id][0] != erased:
                self._views[project.id] = erased, View()
            return self._views[project.id][1].read(self._store, project.id)

    def _settings(self, project: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = unpacked(
            self._store.rows("SELECT settings FROM hosting_projects WHERE id = ?", [project])[0][0]
        )
        return found


_PROJECT = "SELECT id, slug, title, question, settings, created FROM hosting_projects"


def _project(row: Sequence[Any]) -> Project:
    key, slug, title, question, settings, created = row
    made = unpacked(settings)
    return Project(
        key,
        slug,
        unpack(title),
        unpack(question),
        made["rule"],
        made["gold_share"],
        created,
        made.get("weights", "auto"),
    )


def _outcome(word: Outcome | str) -> Outcome:
    known = [each.value for each in Outcome]
    if str(word) not in known:
        raise HostingError("what is said of a pair", f"got {str(word)[:40]!r}", did_you_mean(str(word)[:40], known))
    return Outcome(word)


def _item_columns(project: str, item: Item) -> tuple[str, ...]:
    if not item.id or len(item.id) > 200:
        raise HostingError("items with ids of 1 to 200 characters", f"got {item.id!r:.60}", "Give it one")
    content = item.content
    try:
        stored = packed(content.plain()) if isinstance(content, Blob) else f'{{"content":{plain(content)}}}'
    except ValueError as error:
        raise HostingError(
            f"item {item.id!r:.60} of plain data", str(error), "Convert it, or store it as a blob"
        ) from None
    group = item.group or item.prompt
    return (project, pack(item.id), pack(item.prompt), stored, pack(item.system), _group(group) if group else "")


@functools.lru_cache(maxsize=4096)
def _group(name: str) -> str:
    """A group as it is stored: one prompt may be long, and many items in a row have it."""
    return digest(name)


def _insert_items(to: Writer, rows: Sequence[tuple[str, ...]]) -> None:
    mark = "%s" if to.connection.dialect.name == "postgresql" else "?"
    sql = (
        'INSERT INTO hosting_items (project, id, prompt, content, system, "group") '
        f"VALUES ({', '.join([mark] * 6)}) ON CONFLICT DO NOTHING"
    )
    execute(to.connection, sql, rows)


def _open(view: View, annotator: str) -> list[Asked]:
    """Questions put to an annotator that wait for an answer; one that was taken back first."""
    waiting = [name for name in view.asked.get(annotator, []) if name not in view.chosen]
    return [view.pairs[name] for name in sorted(waiting, key=lambda name: -view.version[name])]


def _side(content: Json | Blob) -> Side:
    if isinstance(content, Blob):
        return Side(None, content.media)
    return Side(content, "text/plain" if isinstance(content, str) else "application/json")


def _text(plain: Mapping[str, Any]) -> Any:
    if "blob" in plain:
        return f"blob:{plain['blob']}"
    content = plain["content"]
    messages = isinstance(content, list) and all(isinstance(each, dict) and "role" in each for each in content)
    return content if isinstance(content, str) or messages else packed(content)


def _rated(view: View, weights: str) -> list[Rated]:
    rows = view.ratings(weights).rows() if view.systems else []
    return [Rated(row.name, row.rating, row.low, row.high, row.best, row.worst, row.weight) for row in rows]


def _alpha(shared: Sequence[Sequence[str | None]]) -> float | None:
    from guerdon.prefer import krippendorff

    alpha = krippendorff(shared) if shared else math.nan
    return alpha if math.isfinite(alpha) else None


def _annotator(project: Project, view: View, name: str, gold: Accuracy | None) -> Annotator:
    known = (0, 0, None, None) if gold is None else (gold.count, gold.right, gold.low, gold.high)
    return Annotator(pseudonym(project, name), len(view.order[name]), *known)


def _weights(word: str) -> str:
    if word not in WEIGHTS:
        raise HostingError("how votes are weighted", f"got {word!r:.40}", did_you_mean(word[:40], WEIGHTS))
    return word
