"""New passwords: by whoever knows the old one, or by a link that an organiser makes for somebody who forgot it."""

from __future__ import annotations

from guerdon.hosting import passwords
from guerdon.hosting.errors import HostingError, NotFoundError
from guerdon.hosting.may import Action, ensure
from guerdon.hosting.people import SESSION_S, People
from guerdon.hosting.store import Store, Writer, new_id
from guerdon.hosting.things import Actor, Person

LINK_S = 2 * 86400.0


class Renewal:
    """The passwords of a host's people."""

    def __init__(self, store: Store, people: People) -> None:
        self._store, self._people = store, people

    def change(self, actor: Actor, old: str, new: str) -> str:
        """Take another password. Every session ends; API tokens stay.

        Args:
            actor: whose it is; an API token cannot do this.
            old: the present one. Wrong ones count as when signing in.
            new: the next one.

        Returns:
            The token of a new session.

        Raises:
            NotAllowedError: the old one is wrong.
            HostingError: the new one is too short, or too long.
        """
        if actor.scopes is not None or not actor.person or actor.person == "local":
            raise NotFoundError("somebody who signs in with a password", f"{actor.name or 'you'} does not", "Sign in")
        passwords.check_password(new)
        self._people.sign_in(self._people.get(actor.person).name, old)
        stored, token = passwords.hashed(new), passwords.new_token("session")

        def work(to: Writer) -> None:
            _renew(to, actor.person, stored, ("session", "reset"))
            to.insert(
                "tokens", hash=passwords.token_hash(token), id=new_id(), kind="session", person=actor.person,
                created=to.now, expires=to.now + SESSION_S,
            )  # fmt: skip

        self._store.write(work)
        return token

    def link(self, actor: Actor, person: str) -> str:
        """A token with which somebody who forgot their password takes another; older ones are worthless.

        Args:
            actor: an organiser.
            person: id of whom it is for.

        Returns:
            The token. It is shown this once, works once, and for two days.
        """
        found = self._people.get(person)
        ensure(actor, Action.DISABLE, found)
        if found.id == "local":
            raise NotFoundError(
                "somebody who signs in with a password", "this machine's user does not", "Choose another"
            )
        token = passwords.new_token("reset")

        def work(to: Writer) -> None:
            to.change("UPDATE hosting_tokens SET revoked = 1 WHERE person = ? AND kind = 'reset'", [found.id])
            to.insert(
                "tokens", hash=passwords.token_hash(token), id=new_id(), kind="reset", person=found.id,
                made_by=actor.person, created=to.now, expires=to.now + LINK_S,
            )  # fmt: skip
            to.record(actor.person, "password link", "", found.id)

        self._store.write(work)
        return token

    def take(self, token: str, password: str) -> Person:
        """Take another password by a link. Every session and API token of the person ends.

        Raises:
            HostingError: the link is unknown, used or old, or the password is too short.
        """
        passwords.check_password(password)
        stored, hashed = passwords.hashed(password), passwords.token_hash(token[:200])

        def work(to: Writer) -> str:
            sql = "UPDATE hosting_tokens SET revoked = 1 WHERE hash = ? AND kind = 'reset' AND revoked = 0"
            if not to.change(f"{sql} AND expires > ?", [hashed, to.now]):
                raise HostingError("a link that has not been used", "it is unknown, used or old", "Ask for another")
            person = str(to.rows("SELECT person FROM hosting_tokens WHERE hash = ?", [hashed])[0][0])
            _renew(to, person, stored, ("session", "reset", "api"))
            return person

        return self._people.get(self._store.write(work))


def _renew(to: Writer, person: str, stored: str, ended: tuple[str, ...]) -> None:
    to.change("UPDATE hosting_people SET password = ? WHERE id = ?", [stored, person])
    for kind in ended:
        to.change("UPDATE hosting_tokens SET revoked = 1 WHERE person = ? AND kind = ?", [person, kind])
