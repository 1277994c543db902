"""Contests and their phases: created, listed, closed, revealed."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from dataclasses import fields as fields_of
from enum import Enum
from typing import Any, Final, Literal, cast

from guerdon.core.challenge import Challenge, Visibility
from guerdon.core.errors import did_you_mean
from guerdon.core.plain import Json, digest
from guerdon.core.recipe import identity, recipe
from guerdon.core.reward import Reward
from guerdon.hosting.challenges import Posed, challenge_of, reference
from guerdon.hosting.errors import BrokenError, EditedError, HostingError, NotFoundError
from guerdon.hosting.may import Action, ensure, may
from guerdon.hosting.store import Store, Writer, new_id, pack, packed, unpack, unpacked
from guerdon.hosting.things import Actor, Contest, Limits, Phase
from guerdon.ledger import RunRow

STEP = 0.005
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_OPENNESS = (Visibility.SEALED, Visibility.AGGREGATE, Visibility.OPEN)
_CONTEST = "id, slug, title, ref, rules, created, public, version"
_PHASE = "name, split, visibility, limits, reveal, run, place, step, opens, closes, closed, revealed"
Rows = Callable[[str, Sequence[Any]], list[Any]]


class Unset(Enum):
    """What stands for "as it is", where `None` means something."""

    SAME = "same"


Same = Literal[Unset.SAME]
SAME: Final = Unset.SAME


class Contests:
    """The contests of a host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._posed: dict[tuple[str, str], Posed] = {}
        self._guard = threading.Lock()

    def create(
        self,
        actor: Actor,
        ref: Challenge | str,
        slug: str,
        title: str,
        phases: Sequence[Phase] = (),
        rules_markdown: str = "",
        *,
        fields: Mapping[str, Json] | None = None,
        public: bool = False,
    ) -> Contest:
        """Open a contest.

        Args:
            actor: an organiser.
            ref: the challenge, or where it is: a slug, `module:Class` or `FILE.py[:NAME]`.
            slug: its name in addresses.
            title: for people.
            phases: at least one; by default one for each split of the challenge.
            rules_markdown: what entrants must know.
            fields: of the challenge's class.
            public: visitors may see it.

        Raises:
            HostingError: the slug is taken or not one; a phase tells more than the challenge's split allows, or a mean
                over tasks of which one could outweigh all others.
            ConfigError: the challenge cannot be made.
            ChallengeError: it has no keys for the answers of a phase.
        """
        ensure(actor, Action.CREATE_CONTEST)
        if not _SLUG.fullmatch(slug):
            raise HostingError("a slug of a-z, 0-9 and -, at most 40", f"got {slug!r:.60}", "Try my-contest")
        found, own = reference(ref, fields or {})
        challenge = ref if isinstance(ref, Challenge) else challenge_of(found, own)
        made, posed = _laid_out(challenge, phases)
        rows = [self._run_row(challenge, slug, phase, posed[phase.split]) for phase in made]

        def work(to: Writer) -> None:
            if to.rows("SELECT 1 FROM hosting_contests WHERE slug = ?", [slug]):
                raise HostingError("a slug of its own", f"{slug} is taken", "Choose another")
            name = new_id()
            to.insert(
                "contests", id=name, slug=slug, title=pack(title), ref=pack(found), fields=packed(own),
                rules=pack(rules_markdown), made_by=actor.person, public=int(public), created=to.now,
            )  # fmt: skip
            for phase, row in zip(made, rows, strict=True):
                tasks = [(challenge.name, task) for task in posed[phase.split].vault.tasks.values()]
                self._store.ledger.adding.tasks(to.connection, tasks)
                self._store.ledger.adding.run(to.connection, row)
                _insert_phase(to, name, phase, row.id)
            to.tell("contest", slug, name)
            to.record(actor.person, "create", slug, phases=[phase.name for phase in made], public=public)

        self._store.write(work)
        return self.get(actor, slug)

    def _run_row(self, challenge: Challenge, slug: str, phase: Phase, posed: Posed) -> RunRow:
        visibility = phase.visibility or Visibility.SEALED
        return RunRow(
            id=digest("contest", slug, phase.name, identity(challenge))[:12],
            challenge=challenge.name,
            split=phase.split,
            visibility=visibility.value,
            solver=f"entrants of {slug}",
            judge=identity(posed.judge),
            seed=0,
            budget={},
            recipe={
                "challenge": recipe(challenge),
                "solver": {"kind": "contest", "contest": slug, "phase": phase.name},
                "judge": recipe(posed.judge),
                "tasks": len(posed.vault.tasks),
            },
        )

    def get(self, actor: Actor, slug: str) -> Contest:
        """A contest by its slug.

        Raises:
            NotFoundError: there is none that the actor may see.
        """
        found = self._found(slug)
        if found is None or not may(actor, Action.SEE_CONTEST, found):  # said alike, so that nobody can tell which
            known = [each.slug for each in self.list(actor)]
            do = did_you_mean(slug[:60], known) if known else "Sign in, or see the list"
            raise NotFoundError("a contest of this host", f"got {slug!r:.60}", do)
        return _seen_by(actor, found)

    def find(self, slug: str) -> Contest:
        """A contest by its slug, for the host's own use."""
        found = self._found(slug)
        if found is None:
            raise NotFoundError("a contest of this host", f"got {slug!r:.60}", "See the list")
        return found

    def _found(self, slug: str) -> Contest | None:
        rows = self._store.rows(f"SELECT {_CONTEST} FROM hosting_contests WHERE slug = ?", [pack(slug[:60])])
        return self._contest(rows[0]) if rows else None

    def list(self, actor: Actor) -> list[Contest]:
        """The contests that the actor may see, newest first."""
        rows = self._store.rows(f"SELECT {_CONTEST} FROM hosting_contests ORDER BY seq DESC")
        found = [each for each in map(self._contest, rows) if may(actor, Action.SEE_CONTEST, each)]
        return [_seen_by(actor, each) for each in found]

    def change(
        self,
        actor: Actor,
        slug: str,
        *,
        title: str | None = None,
        rules_markdown: str | None = None,
        public: bool | None = None,
        version: int | None = None,
    ) -> Contest:
        """Change what entrants read, or who may; what is `None` stays.

        Args:
            actor: an organiser.
            slug: of the contest.
            title: for people.
            rules_markdown: what entrants must know.
            public: whether visitors may see it.
            version: that of the contest when it was read; by default what others did meanwhile is not looked at.

        Raises:
            EditedError: it has another version by now; nothing is changed.
            HostingError: the title is empty.
        """
        if title is not None and not title.strip():
            raise HostingError("a title", "it is empty", "Write one")
        new = {
            "title": None if title is None else pack(title),
            "rules": None if rules_markdown is None else pack(rules_markdown),
            "public": None if public is None else int(public),
        }
        given = {column: value for column, value in new.items() if value is not None}

        def work(to: Writer, contest: Contest) -> None:
            for column, value in given.items():
                to.change(f"UPDATE hosting_contests SET {column} = ? WHERE id = ?", [value, contest.id])
            stood = {"title": pack(contest.title), "rules": pack(contest.rules), "public": int(contest.public)}
            changed = sorted(name for name, value in given.items() if value != stood[name])
            to.record(actor.person, "change", slug, changed=changed)

        return self._edit(actor, slug, version, work)

    def change_phase(
        self,
        actor: Actor,
        slug: str,
        phase: str,
        *,
        opens: float | Same | None = SAME,
        closes: float | Same | None = SAME,
        limits: Mapping[str, float | None] | None = None,
        version: int | None = None,
    ) -> Contest:
        """Extend a phase, or change its limits. One that was closed by hand stays closed.

        Args:
            actor: an organiser.
            slug: of the contest.
            phase: name.
            opens: unix seconds, or `None` for at once; stays by default.
            closes: unix seconds, or `None` for never; stays by default.
            limits: those that change, by name; see `Limits`. They hold from now on, for what was handed in too.
            version: that of the contest when it was read; by default what others did meanwhile is not looked at.

        Raises:
            EditedError: the contest has another version by now; nothing is changed.
            HostingError: it would close before it opens, its scores are shown already, or there is no such limit.
        """
        found = self.get(actor, slug).phase(phase)

        def work(to: Writer, contest: Contest) -> None:
            now = contest.phase(found.name)
            start, end = (now.opens if opens is SAME else opens), (now.closes if closes is SAME else closes)
            _check_times(now, start, end)
            most = _limited(now.limits, limits or {})
            sql = "UPDATE hosting_phases SET opens = ?, closes = ?, limits = ? WHERE contest = ? AND name = ?"
            to.change(sql, [start, end, packed(asdict(most)), contest.id, pack(now.name)])
            changed = {name: [old, new] for name, old, new in _changes(now, start, end, most)}
            to.record(actor.person, "change phase", slug, now.name, **changed)

        return self._edit(actor, slug, version, work)

    def reschedule(self, actor: Actor, slug: str, phase: str, opens: float | None, closes: float | None) -> Contest:
        """Give a phase other times, in unix seconds; see `change_phase`."""
        return self.change_phase(actor, slug, phase, opens=opens, closes=closes)

    def close(self, actor: Actor, slug: str, phase: str = "") -> Contest:
        """Take no more submissions, in one phase or in all. What is queued is still judged. Twice is once."""
        return self._end(actor, slug, phase, ["closed"])

    def reveal(self, actor: Actor, slug: str, phase: str = "") -> Contest:
        """Close, and show the scores of one phase or of all. It cannot be undone."""
        return self._end(actor, slug, phase, ["closed", "revealed"])

    def _end(self, actor: Actor, slug: str, phase: str, columns: Sequence[str]) -> Contest:
        only = self.get(actor, slug).phase(phase).name if phase else ""

        def work(to: Writer, contest: Contest) -> None:
            ended = []
            for name in [only] if only else [each.name for each in contest.phases]:
                for column in columns:
                    sql = f"UPDATE hosting_phases SET {column} = ? WHERE contest = ? AND name = ? AND {column} IS NULL"
                    if to.change(sql, [to.now, contest.id, pack(name)]) and name not in ended:
                        ended.append(name)
            if ended:
                to.record(actor.person, "reveal" if "revealed" in columns else "close", slug, only, phases=ended)

        return self._edit(actor, slug, None, work)

    def _edit(self, actor: Actor, slug: str, version: int | None, work: Callable[[Writer, Contest], None]) -> Contest:
        """One change of a contest by an organiser: checked, and counted as its next version, in one transaction."""
        contest = self.get(actor, slug)
        ensure(actor, Action.RUN_CONTEST, contest)

        def within(to: Writer) -> None:
            if to.recorded:
                return
            same = "" if version is None else " AND version = ?"
            sql = f"UPDATE hosting_contests SET version = version + 1 WHERE id = ?{same}"
            if not to.change(sql, [contest.id, *([] if version is None else [version])]):
                got = f"version {version} was changed meanwhile"
                raise EditedError(f"the newest version of {slug}", got, "Look at it again, then change it")
            rows = to.rows(f"SELECT {_CONTEST} FROM hosting_contests WHERE id = ?", [contest.id])
            work(to, self._contest(rows[0], to.rows, to.now))
            to.tell("contest", slug, contest.id)

        self._store.write(within)
        return self.get(actor, slug)

    def posed(self, contest: Contest, phase: Phase) -> Posed:
        """The tasks that answers to a phase are for. Kept, since reading them may take long.

        Raises:
            BrokenError: the challenge cannot be loaded; why is for organisers.
        """
        key = (contest.id, phase.split)
        with self._guard:
            if key not in self._posed:
                sql = "SELECT ref, fields FROM hosting_contests WHERE id = ?"
                ref, fields = self._store.rows(sql, [contest.id])[0]
                self._posed[key] = _loaded(unpack(ref), unpacked(fields) or {}, phase.split)
            return self._posed[key]

    def _contest(self, row: Sequence[Any], rows: Rows | None = None, moment: float | None = None) -> Contest:
        name, slug, title, ref, rules, created, public, version = row
        now = self._store.now() if moment is None else moment
        sql = f"SELECT {_PHASE} FROM hosting_phases WHERE contest = ? ORDER BY place"
        found = (rows or self._store.rows)(sql, [name])
        phases = tuple(_phase(each, now) for each in found)
        return Contest(
            name, slug, unpack(title), unpack(ref), unpack(rules), phases, created, bool(public), int(version)
        )


def _laid_out(challenge: Challenge, phases: Sequence[Phase]) -> tuple[list[Phase], dict[str, Posed]]:
    """The phases with all that was left open filled in, and their splits, whose keys were seen to be there."""
    given = phases or [Phase(split, split) for split in challenge.splits]
    made = [_checked(phase, challenge, place) for place, phase in enumerate(given)]
    if len({phase.name for phase in made}) < len(made):
        raise HostingError("phases with names of their own", "two have the same", "Rename one")
    posed = {split: Posed(challenge, split) for split in dict.fromkeys(phase.split for phase in made)}
    for each in posed.values():
        each.ready()
    for phase in made:
        _check_bounded(phase, posed[phase.split])
    _check_alike(made)
    return made, posed


def _check_alike(phases: Sequence[Phase]) -> None:
    """Refuse phases of one split of which one tells what another hides: it would be asked for the other's labels."""
    first: dict[str, Phase] = {}
    for phase in phases:
        other = first.setdefault(phase.split, phase)
        if phase.visibility is not other.visibility:
            hides, tells = sorted(
                (phase, other), key=lambda each: _OPENNESS.index(each.visibility or Visibility.SEALED)
            )
            got = f"{hides.name} is {hides.visibility} and {tells.name} is {tells.visibility} on {phase.split}"
            raise HostingError("phases that tell the same of one split", got, "Give them one visibility, or two splits")


def _loaded(ref: str, fields: Mapping[str, Any], split: str) -> Posed:
    try:
        return Posed(challenge_of(ref, fields), split)
    except Exception as error:
        raise BrokenError.of(error) from error  # whatever an author's code raises


def _seen_by(actor: Actor, contest: Contest) -> Contest:
    """Where a challenge lies on the host is for organisers."""
    return contest if may(actor, Action.RUN_CONTEST, contest) else replace(contest, ref="")


def _check_times(phase: Phase, opens: float | None, closes: float | None) -> None:
    if phase.revealed:
        raise HostingError("a phase whose scores are not shown", f"{phase.name} is revealed", "Open another phase")
    _check_order(phase.name, opens, closes)


def _check_order(phase: str, opens: float | None, closes: float | None) -> None:
    if not all(math.isfinite(each) for each in (opens, closes) if each is not None):
        raise HostingError("times in unix seconds, or None", f"{phase} has {opens} and {closes}", "Correct its times")
    if opens is not None and closes is not None and closes <= opens:
        raise HostingError("a phase that opens before it closes", f"{phase} would not", "Correct its times")


def _limited(limits: Limits, given: Mapping[str, float | None]) -> Limits:
    known = [each.name for each in fields_of(Limits)]
    for name in given:
        if name not in known:
            raise HostingError("a limit of a phase", f"got {name!r:.40}", did_you_mean(name[:40], known))
    return replace(limits, **cast(Any, dict(given)))


def _changes(
    phase: Phase, opens: float | None, closes: float | None, limits: Limits
) -> list[tuple[str, float | None, float | None]]:
    """What is another than before: name, old, new."""
    before = {"opens": phase.opens, "closes": phase.closes, **asdict(phase.limits)}
    after = {"opens": opens, "closes": closes, **asdict(limits)}
    return [(name, before[name], after[name]) for name in before if before[name] != after[name]]


def _insert_phase(to: Writer, contest: str, phase: Phase, run: str) -> None:
    to.insert(
        "phases",
        contest=contest,
        name=pack(phase.name),
        split=pack(phase.split),
        visibility=(phase.visibility or Visibility.SEALED).value,
        limits=packed(asdict(phase.limits)),
        reveal=packed(phase.reveal),
        run=run,
        place=phase.place,
        step=phase.step,
        opens=phase.opens,
        closes=phase.closes,
    )


def _checked(phase: Phase, challenge: Challenge, place: int) -> Phase:
    """A phase with its split and visibility filled in.

    Raises:
        HostingError: it would tell more than the challenge allows, or closes before it opens.
    """
    split = phase.split or next(iter(challenge.splits))
    allowed = challenge.visibility(split)
    visibility = Visibility(phase.visibility or allowed)
    if _OPENNESS.index(visibility) > _OPENNESS.index(allowed):
        got = f"phase {phase.name} would be {visibility.value}, split {split} is {allowed.value}"
        raise HostingError("a phase that tells no more than its split", got, "Choose another split or visibility")
    _check_order(phase.name, phase.opens, phase.closes)
    if not 0 < len(phase.name) <= 60 or not phase.name.isprintable():
        raise HostingError("a phase's name of 1 to 60 printable characters", f"got {len(phase.name)}", "Shorten it")
    step = _step(challenge) if phase.step is None else phase.step
    if not 0 <= step < math.inf:
        raise HostingError(
            f"a step of 0 or more for {phase.name}", f"got {step}", "Leave it out for 1/200 of the range"
        )
    return replace(phase, split=split, visibility=visibility, place=place, step=step)


def _check_bounded(phase: Phase, posed: Posed) -> None:
    """A mean over tasks that one of them can outweigh tells that one's label (Whitehill, arXiv 1707.01825).

    Raises:
        HostingError: an aggregate phase of several tasks, whose judge has no bounds.
    """
    bounded = all(map(math.isfinite, posed.judge.range))
    if phase.visibility is Visibility.AGGREGATE and not posed.single and not bounded:
        low, high = posed.judge.range
        got = f"phase {phase.name} has {len(posed.vault.tasks):,} tasks, each scored from {low} to {high}"
        do = "Clip the judge's scores and say its range, or seal the phase"
        raise HostingError("an aggregate phase in which no task outweighs the others", got, do)


def _step(challenge: Challenge) -> float:
    """How much better a single score must be to be released, on the scale of the judge."""
    low, high = cast(Reward, challenge.judge).range
    return STEP * (high - low if math.isfinite(high - low) else 1.0)


def _phase(row: Sequence[Any], now: float) -> Phase:
    name, split, visibility, limits, reveal, run, place, step, opens, closes, closed, revealed = row
    when = unpacked(reveal)
    is_closed = closed is not None or (closes is not None and now >= closes)
    is_revealed = revealed is not None or (when == "close" and is_closed)
    if isinstance(when, (int, float)) and now >= when:
        is_closed = is_revealed = True  # a score that is shown ends the submissions it could guide
    return Phase(
        unpack(name), unpack(split), opens, closes, Visibility(visibility), Limits(**unpacked(limits)), when, step,
        closed=is_closed, revealed=is_revealed, run=run, place=int(place),
    )  # fmt: skip


def open_now(phase: Phase, now: float) -> bool:
    """Whether a phase takes submissions."""
    return not phase.closed and (phase.opens is None or now >= phase.opens)
