"""Who wants to be forgotten is: what they handed in and chose stays without their name, or goes too."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from guerdon.core.plain import Blob, digest
from guerdon.hosting.errors import HostingError, NotFoundError
from guerdon.hosting.log import Log
from guerdon.hosting.may import Action, ensure
from guerdon.hosting.people import People, name_key, revoke_made
from guerdon.hosting.records import Records
from guerdon.hosting.store import Store, Writer, pack, unpack
from guerdon.hosting.things import Actor, Person, Role, Submission
from guerdon.ledger.erasing import erase

SHORT = 5
"""Names of so many characters are in many a word."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done to forget somebody.

    Args:
        person: their id, which stays and says nothing.
        pseudonym: what they are called from now on.
        submissions: how many of theirs there are; they stay without a name, or are emptied.
        choices: how many comparisons of theirs there were.
        erased: whether submissions and choices went too.
        team_renamed: whether their team's name would have told theirs.
        clean: nothing is left in the data base's file; `False` on PostgreSQL, whose own vacuum does it in time.
    """

    person: str
    pseudonym: str
    submissions: int
    choices: int
    erased: bool
    team_renamed: bool
    clean: bool


class Forgetting:
    """What is kept of a person, and its end."""

    def __init__(self, store: Store, people: People, records: Records, log: Log) -> None:
        self._store, self._people, self._records, self._log = store, people, records, log

    # ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────

    def data(self, actor: Actor, person: str) -> dict[str, Any]:
        """Everything that is kept of a person, as plain data; scores as far as the person may see them.

        Args:
            actor: the person, or an organiser.
            person: id or name.

        Raises:
            NotAllowedError: it is somebody else's, or there is no such person.
            NotFoundError: there is no such person, for an organiser.
        """
        try:
            found = self._people.named(person)
        except NotFoundError:
            ensure(actor, Action.SEE_DATA)  # whoever may not see it is not told who is there
            raise
        ensure(actor, Action.SEE_DATA, found)
        deeds = [asdict(deed) for deed in self._log.of(found.id)]
        return {
            "person": asdict(found),
            "tokens": self._tokens(found),
            "submissions": [_told(item) for item in self._items(found)],
            "choices": self._choices(found),
            "deeds": deeds,
        }

    def write(self, actor: Actor, person: str, path: Path) -> int:
        """Write everything that is kept of a person into a zip: `data.json`, and what they handed in.

        It is in the log, unless it is the person who does it.

        Args:
            actor: the person, or an organiser.
            person: id or name.
            path: of the zip.

        Returns:
            How many submissions are in it.

        Raises:
            HostingError: the file is there already, or cannot be written.
        """
        data = self.data(actor, person)
        found = str(data["person"]["id"])
        if actor.person != found:
            self._store.write(lambda to: to.record(actor.person, "take data", "", found))
        try:
            with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("data.json", json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
                for item in data["submissions"]:
                    archive.writestr(f"submissions/{item['id']}", self._answer(str(item["id"])))
        except OSError as error:
            raise HostingError("a new file for what is kept", str(error), "Name another one") from None
        return len(data["submissions"])

    def _items(self, person: Person) -> list[Submission]:
        asker = Actor(person.id, person.name, person.role, person.team)
        found = self._records.bare("s.person = ? ORDER BY s.seq", [person.id])
        return [self._records.cut(asker, *each) for each in found]

    def _answer(self, submission: str) -> bytes:
        item, _, phase = self._records.bare("s.id = ?", [submission])[0]
        contents = {row.answer.task: row.answer.content for row in self._attempts(phase.run, item.number)}
        if len(contents) == 1 and isinstance(only := next(iter(contents.values())), Blob):
            return self._store.ledger.blobs.get(only)
        plain = {task: content.plain() if isinstance(content, Blob) else content for task, content in contents.items()}
        return json.dumps(plain, allow_nan=False).encode()

    def _attempts(self, run: str, number: int) -> Sequence[Any]:
        return self._store.ledger.attempts(run, step=number)

    def _tokens(self, person: Person) -> list[dict[str, Any]]:
        sql = "SELECT kind, label, created, expires, revoked FROM hosting_tokens WHERE person = ? ORDER BY seq"
        return [
            {"kind": kind, "label": unpack(label), "created": created, "expires": expires, "revoked": bool(revoked)}
            for kind, label, created, expires, revoked in self._store.rows(sql, [person.id])
        ]

    def _choices(self, person: Person) -> list[dict[str, Any]]:
        return [
            {"project": unpack(slug), "first": unpack(first), "second": unpack(second), "kind": kind,
             "outcome": outcome, "at": at}
            for slug, first, second, kind, outcome, at in self._store.rows(_CHOICES, [person.id])
        ]  # fmt: skip

    # ── the end of it ───────────────────────────────────────────────────────────────────────────────────────────

    def forget(self, actor: Actor, person: str, *, with_submissions: bool = False) -> Forgotten:
        """Forget a person: name, password, sessions, tokens, notes and file names go, at once and for good.

        Args:
            actor: an organiser.
            person: id or name.
            with_submissions: what they handed in and chose goes too; else it stays, under a pseudonym. Numbers of
                submissions, and that there was a verdict, stay in either case.

        Raises:
            NotFoundError: there is no such person.
            HostingError: it is this machine's own user.
        """
        found = self._people.named(person)
        ensure(actor, Action.FORGET, found)
        if found.id == "local":
            raise HostingError("a person who was invited", "got this machine's own user", "Delete the data base")
        called = f"Former member {digest('forgotten', found.id)[:8]}"
        files: list[Blob] = []

        def work(to: Writer) -> tuple[int, int, bool]:
            files.clear()
            renamed = _forget_names(to, found, called)
            counts = self._forget_work(to, found, with_submissions, files)
            to.record(actor.person, "forget", "", found.id, with_submissions=with_submissions)
            to.tell("people", "", found.id)
            return *counts, renamed

        submissions, choices, renamed = self._store.write(work)
        for blob in files:
            self._store.ledger.blobs.remove(blob)
        clean = self._store.ledger.compact()
        return Forgotten(found.id, called, submissions, choices, with_submissions, renamed, clean)

    def _forget_work(self, to: Writer, person: Person, erased: bool, files: list[Blob]) -> tuple[int, int]:
        """What was handed in and chosen: how many of each. Files that nobody needs any more are added to `files`."""
        made = to.change("UPDATE hosting_submissions SET note = '', name = '' WHERE person = ?", [person.id])
        chosen = int(to.rows("SELECT COUNT(*) FROM hosting_choices WHERE annotator = ?", [person.id])[0][0])
        if erased:
            attempts = [row[0] for row in to.rows(_ATTEMPTS, [person.id])]
            files += [blob for blob in erase(to.connection, attempts) if not _compared(to, blob)]
            to.change(_EMPTY, [person.id])
            self._tell(to, person)
            for table in ("choices", "pairs"):
                to.change(f"DELETE FROM hosting_{table} WHERE annotator = ?", [person.id])
        return made, chosen

    def _tell(self, to: Writer, person: Person) -> None:
        sql = (
            "SELECT c.slug, s.id, s.team FROM hosting_submissions s JOIN hosting_contests c ON c.id = s.contest "
            "WHERE s.person = ?"
        )
        for slug, name, team in to.rows(sql, [person.id]):
            to.tell("submission", unpack(slug), name, team)


def _told(item: Submission) -> dict[str, Any]:
    names = ("id", "contest", "phase", "number", "created", "note", "name", "size", "state", "final")
    told = {name: getattr(item, name) for name in names}
    told["score"] = None if item.score is None else item.score.value
    told["fault"] = None if item.fault is None else item.fault.sentence
    return told


def _forget_names(to: Writer, person: Person, called: str) -> bool:
    """Whoever it was is nobody in particular; says whether the team got another name too."""
    to.change("DELETE FROM hosting_tokens WHERE person IN (?, ?)", [person.id, name_key(person.name)])
    revoke_made(to, person.id, Role.ORGANISER)  # no way back for one that was kept
    sql = "UPDATE hosting_people SET name = ?, key = ?, password = '', disabled = 1 WHERE id = ?"
    to.change(sql, [pack(called), name_key(called), person.id])
    others = to.rows("SELECT 1 FROM hosting_people WHERE team = ? AND id <> ? LIMIT 1", [person.team, person.id])
    if others and not _within(person.name, person.team_name):
        return False
    team = f"Former team {digest('forgotten', person.team)[:8]}"
    _rename_team(to, person.team, team)
    invited = "SELECT hash, team FROM hosting_tokens WHERE kind = 'invitation' AND team <> ''"
    for token, name in to.rows(invited):
        if name_key(unpack(name)) == name_key(person.team_name):
            to.change("UPDATE hosting_tokens SET team = ? WHERE hash = ?", [pack(team), token])
    return True


def _rename_team(to: Writer, team: str, name: str) -> None:
    """A newer row in the place of the old one: whoever has read the teams so far finds it among the new ones."""
    created = to.rows("SELECT created FROM hosting_teams WHERE id = ?", [team])[0][0]
    to.change("UPDATE hosting_teams SET id = ?, key = ? WHERE id = ?", [f"old {team}", f"old {team}", team])
    to.insert("teams", id=team, key=name_key(name), name=pack(name), created=created)
    to.change("DELETE FROM hosting_teams WHERE id = ?", [f"old {team}"])


def _within(name: str, team: str) -> bool:
    """Whether a team's name tells a person's: a short one as a word of its own, a longer one anywhere.

    >>> _within("Ann", "Ann's friends"), _within("Ann", "Planners"), _within("Quillfeather", "the quillfeathers")
    (True, False, True)
    """
    one, other = unpack(name_key(name)), unpack(name_key(team))
    return one in other if len(one) > SHORT else bool(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", other))


def _compared(to: Writer, blob: Blob) -> bool:
    """Whether a file is also an item that people compare."""
    return bool(to.rows("SELECT 1 FROM hosting_items WHERE content LIKE ? LIMIT 1", [f"%{blob.digest}%"]))


_ATTEMPTS = (
    "SELECT a.seq FROM hosting_submissions s JOIN hosting_phases p ON p.contest = s.contest AND p.name = s.phase "
    "JOIN runs r ON r.id = p.run JOIN attempts a ON a.run = r.seq AND a.step = s.number WHERE s.person = ?"
)
_EMPTY = (
    "UPDATE hosting_submissions SET state = 'cancelled', token = '', until = NULL, final = 0, fault = '', digest = '' "
    "WHERE person = ?"
)
_CHOICES = (
    "SELECT j.slug, p.first, p.second, c.kind, c.outcome, c.at FROM hosting_choices c "
    "JOIN hosting_pairs p ON p.id = c.pair JOIN hosting_projects j ON j.id = c.project "
    "WHERE c.annotator = ? ORDER BY c.seq"
)
