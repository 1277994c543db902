"""People, teams, invitations, sessions and tokens. Nobody registers: everybody was invited by somebody."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from guerdon.core.errors import did_you_mean
from guerdon.core.plain import digest
from guerdon.hosting import passwords
from guerdon.hosting.errors import HostingError, LimitError, NotAllowedError, NotFoundError
from guerdon.hosting.may import SCOPES, Action, ensure
from guerdon.hosting.store import Store, Writer, new_id, pack, packed, unpack, unpacked
from guerdon.hosting.things import Actor, Person, Role

INVITATION_S = 14 * 86400.0
SESSION_S = 30 * 86400.0
TRIES, TRIES_S = 10, 900.0
"""So many wrong passwords for one name from one place within so many seconds, then no more are looked at."""
TRIES_EVERYWHERE = 200
"""So many for one name from anywhere: far more, since else anybody could keep anybody out."""
TOKENS = 100
"""So many API tokens of one person are valid at the same time."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that leave no trace on a page; with one of them anybody could bear anybody's name."""
_PERSON = "p.id, p.name, p.role, p.team, t.name, p.created, p.disabled"
_FROM = "FROM hosting_people p JOIN hosting_teams t ON t.id = p.team"


@dataclass(frozen=True, slots=True)
class Token:
    """An API token, without the secret, which is shown once when it is made."""

    id: str
    label: str
    scopes: tuple[str, ...]
    created: float
    expires: float | None
    revoked: bool


class People:
    """Who takes part."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ── coming in ───────────────────────────────────────────────────────────────────────────────────────────────

    def invite(self, actor: Actor, role: Role | str, team: str = "") -> str:
        """Invite somebody.

        Args:
            actor: an organiser.
            role: what the new person will be.
            team: name of the team they join, made if there is none; a team of their own by default.

        Returns:
            The invitation's token. It is shown this once, works once, and for 14 days.
        """
        ensure(actor, Action.INVITE)
        role = _role(role)
        token = passwords.new_token("invitation")
        name = _name(team, "a team") if team else ""

        def work(to: Writer) -> None:
            to.insert(
                "tokens", hash=passwords.token_hash(token), id=new_id(), kind="invitation", role=role.value,
                team=pack(name), made_by=actor.person, created=to.now, expires=to.now + INVITATION_S,
            )  # fmt: skip
            to.record(actor.person, "invite", role=role.value)

        self._store.write(work)
        return token

    def accept(self, token: str, name: str, password: str) -> Person:
        """Take an invitation: the person comes into being, with a name and password of their choice.

        Raises:
            HostingError: the invitation is unknown, used or old, or the name is taken.
        """
        passwords.check_password(password)
        name, stored, person = _name(name, "a name"), passwords.hashed(password), new_id()

        def work(to: Writer) -> None:
            sql = (
                "UPDATE hosting_tokens SET revoked = 1, person = ? "
                "WHERE hash = ? AND kind = 'invitation' AND revoked = 0 AND expires > ?"
            )
            if not to.change(sql, [person, passwords.token_hash(token), to.now]):
                raise HostingError("an invitation that has not been used", "it is unknown, used or old", "Ask for one")
            if to.rows("SELECT 1 FROM hosting_people WHERE key = ?", [name_key(name)]):
                raise HostingError("a name of your own", f"{name!r} is taken", "Choose another")
            find = "SELECT role, team FROM hosting_tokens WHERE hash = ?"
            role, team = to.rows(find, [passwords.token_hash(token)])[0]
            to.insert(
                "people", id=person, key=name_key(name), name=pack(name), role=role, password=stored, created=to.now,
                team=_team(to, unpack(team) if team else _free_team(to, name)),
            )  # fmt: skip
            to.tell("people", "", person)

        self._store.write(work)
        return self.get(person)

    def sign_in(self, name: str, password: str, source: str = "") -> str:
        """A session's token for a name and password.

        Args:
            name: of the person.
            password: of theirs.
            source: where it is tried, as a network address. Wrong ones from elsewhere keep nobody out from here.

        Raises:
            NotAllowedError: they do not belong together; which of them is wrong is not told.
            LimitError: too many wrong ones for this name.
        """
        key, place = name_key(name[:200]), digest("tried at", source)[:16]
        self._check_tries(key, place)
        found = self._store.rows("SELECT id, password FROM hosting_people WHERE key = ? AND disabled = 0", [key])
        stored = found[0][1] if found else self._decoy
        if not passwords.matches(password, stored) or not found:
            self._note_wrong(key, place)
            raise NotAllowedError("a name with its password", "they do not belong together", "Try again")
        return self._grant("session", found[0][0], SESSION_S)

    @cached_property
    def _decoy(self) -> str:
        return passwords.decoy()

    def _check_tries(self, key: str, place: str) -> None:
        sql = (
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN label = ? THEN 1 ELSE 0 END), 0) FROM hosting_tokens "
            "WHERE kind = 'wrong' AND person = ? AND created > ?"
        )
        everywhere, here = self._store.rows(sql, [place, key, self._store.now() - TRIES_S])[0]
        for most, tried in ((TRIES, here), (TRIES_EVERYWHERE, everywhere)):
            if tried >= most:
                expected = f"at most {most} wrong passwords in 15 minutes"
                raise LimitError(expected, "there were more", "Wait, then try again")

    def _note_wrong(self, key: str, place: str) -> None:
        def work(to: Writer) -> None:
            to.change("DELETE FROM hosting_tokens WHERE kind = 'wrong' AND created < ?", [to.now - TRIES_S])
            to.insert("tokens", hash=new_id(), id=new_id(), kind="wrong", person=key, label=place, created=to.now)

        self._store.write(work)

    def sign_out(self, token: str) -> None:
        """End a session; its token is worth nothing from now on."""
        sql = "UPDATE hosting_tokens SET revoked = 1 WHERE hash = ? AND kind = 'session'"
        self._store.write(lambda to: to.change(sql, [passwords.token_hash(token)]))

    def actor_of(self, token: str) -> Actor | None:
        """Who holds a session's or an API token; `None` if it is not valid."""
        if not token or len(token) > 200:
            return None
        sql = (
            "SELECT p.id, p.name, p.role, p.team, k.kind, k.scopes FROM hosting_tokens k "
            "JOIN hosting_people p ON p.id = k.person WHERE k.hash = ? AND k.kind IN ('session', 'api') "
            "AND k.revoked = 0 AND p.disabled = 0 AND (k.expires IS NULL OR k.expires > ?)"
        )
        found = self._store.rows(sql, [passwords.token_hash(token), self._store.now()])
        if not found:
            return None
        person, name, role, team, kind, scopes = found[0]
        limited = frozenset(unpacked(scopes) or ()) if kind == "api" else None
        return Actor(person, unpack(name), Role(role), team, limited)

    # ── API tokens ──────────────────────────────────────────────────────────────────────────────────────────────

    def new_api_token(
        self, actor: Actor, label: str, scopes: Sequence[str] = ("read", "submit"), days: float | None = None
    ) -> str:
        """An API token for the actor's own use, shown this once. It may do no more than its scopes and the person.

        Raises:
            HostingError: a scope is not known.
            LimitError: the person has many already.
        """
        ensure(actor, Action.USE_TOKENS, self.get(actor.person))
        for scope in scopes:
            if scope not in SCOPES:
                raise HostingError("scopes of a token", f"got {scope!r:.40}", did_you_mean(scope, SCOPES))
        if sum(self._valid(token) for token in self.api_tokens(actor)) >= TOKENS:
            raise LimitError(f"at most {TOKENS} tokens that are valid", "there are so many", "Revoke some")
        return self._grant("api", actor.person, None if days is None else 86400.0 * days, label[:200], tuple(scopes))

    def api_tokens(self, actor: Actor) -> list[Token]:
        """The actor's API tokens, without their secrets."""
        sql = (
            "SELECT id, label, scopes, created, expires, revoked FROM hosting_tokens "
            "WHERE person = ? AND kind = 'api' ORDER BY seq"
        )
        return [
            Token(row[0], unpack(row[1]), tuple(unpacked(row[2])), row[3], row[4], bool(row[5]))
            for row in self._store.rows(sql, [actor.person])
        ]

    def _valid(self, token: Token) -> bool:
        return not token.revoked and (token.expires is None or token.expires > self._store.now())

    def revoke_api_token(self, actor: Actor, token_id: str) -> None:
        """Make one of the actor's tokens worthless; twice is once."""
        ensure(actor, Action.USE_TOKENS, self.get(actor.person))
        sql = "UPDATE hosting_tokens SET revoked = 1 WHERE id = ? AND person = ? AND kind = 'api'"
        if not self._store.write(lambda to: to.change(sql, [token_id[:64], actor.person])):
            raise NotFoundError("one of your tokens", "there is none of that id", "See the list")

    def _grant(
        self, kind: str, person: str, seconds: float | None, label: str = "", scopes: tuple[str, ...] = ()
    ) -> str:
        token = passwords.new_token(kind)

        def work(to: Writer) -> None:
            to.insert(
                "tokens", hash=passwords.token_hash(token), id=new_id(), kind=kind, person=person, label=pack(label),
                scopes=packed(list(scopes)), created=to.now, expires=None if seconds is None else to.now + seconds,
            )  # fmt: skip

        self._store.write(work)
        return token

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, person: str) -> Person:
        """A person by id. For the host's own use; pages go through `find`."""
        if person == "local":
            return Person("local", "local", Role.ORGANISER, "local", "local", 0.0, False)
        found = self._store.rows(f"SELECT {_PERSON} {_FROM} WHERE p.id = ?", [person[:64]])
        if not found:
            raise NotFoundError("a person", "there is none of that id", "See the list")
        return _person(found[0])

    def named(self, person: str) -> Person:
        """A person by id or by name. For the host's own use."""
        rows = self._store.rows(
            "SELECT id FROM hosting_people WHERE id = ? OR key = ?", [person[:64], name_key(person)]
        )
        if not rows and person != "local":
            raise NotFoundError("a person by name or id", f"got {person!r:.60}", "See guerdon contest people")
        return self.get(rows[0][0] if rows else person)

    def find(self, actor: Actor, person: str) -> Person:
        """A person whom the actor may see: itself, or anybody for an organiser."""
        found = self.get(person)
        ensure(actor, Action.SEE_PERSON, found)
        return found

    def list(self, actor: Actor) -> list[Person]:
        """Everybody."""
        ensure(actor, Action.SEE_PEOPLE)
        return [_person(row) for row in self._store.rows(f"SELECT {_PERSON} {_FROM} ORDER BY p.seq")]

    def baseline_teams(self) -> frozenset[str]:
        """Ids of the teams of organisers: what they hand in is there to compare with."""
        found = self._store.rows("SELECT DISTINCT team FROM hosting_people WHERE role = ?", [Role.ORGANISER.value])
        return frozenset({"local", *(team for (team,) in found if team)})

    def disable(self, actor: Actor, person: str, disabled: bool = True) -> None:
        """Shut a person out, or let them in again. What they have done stays.

        Invitations and links to passwords that they made and nobody has used are worthless from then on: they may have
        kept some for themselves.
        """
        ensure(actor, Action.DISABLE, self.get(person))
        sql = "UPDATE hosting_people SET disabled = ? WHERE id = ?"

        def work(to: Writer) -> None:
            to.change(sql, [int(disabled), person])
            if disabled:
                revoke_made(to, person)
            to.record(actor.person, "disable" if disabled else "enable", "", person)

        self._store.write(work)


def revoke_made(to: Writer, person: str, role: Role | None = None) -> None:
    """Make worthless what somebody has made for others to come in by.

    Args:
        to: the transaction.
        person: id of who made it.
        role: of the invitations; any by default.
    """
    sql = "UPDATE hosting_tokens SET revoked = 1 WHERE made_by = ? AND revoked = 0 AND (kind = 'reset' OR "
    to.change(f"{sql}(kind = 'invitation' AND (role = ? OR ? = '')))", [person, role or "", role or ""])


def _person(row: Sequence[object]) -> Person:
    person, name, role, team, team_name, created, disabled = row
    return Person(
        str(person), unpack(str(name)), Role(str(role)), str(team), unpack(str(team_name)), float(str(created)),
        bool(disabled),
    )  # fmt: skip


def _team(to: Writer, name: str) -> str:
    """The id of a team of this name, which is made if there is none."""
    to.insert("teams", id=new_id(), key=name_key(name), name=pack(name), created=to.now)
    return str(to.rows("SELECT id FROM hosting_teams WHERE key = ?", [name_key(name)])[0][0])


def _free_team(to: Writer, name: str) -> str:
    """A name for a team of one that no other team has, nor one to which somebody is invited."""
    invited = "SELECT DISTINCT team FROM hosting_tokens WHERE kind = 'invitation' AND revoked = 0 AND team <> ''"
    taken = {name_key(unpack(team)) for (team,) in to.rows(invited)}
    number, tried = 1, name
    while name_key(tried) in taken or to.rows("SELECT 1 FROM hosting_teams WHERE key = ?", [name_key(tried)]):
        number += 1
        tried = f"{name} {number}"
    return tried


def _role(role: Role | str) -> Role:
    known = [each.value for each in Role if each is not Role.VISITOR]
    if str(role) not in known:
        raise HostingError("the role of a person", f"got {str(role)[:40]!r}", did_you_mean(str(role)[:40], known))
    return Role(role)


def _name(text: str, what: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(name) <= 60 or not name.isprintable() or not name_key(name):
        raise HostingError(f"{what} of 1 to 60 printable characters", f"got {len(name)}", "Choose another")
    return name


def name_key(name: str) -> str:
    """What two names that look the same to a reader share: compatibility form, case, spaces, what leaves no trace."""
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", name))
    return pack(" ".join(seen.casefold().split()))
