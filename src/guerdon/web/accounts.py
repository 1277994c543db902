"""Signing in, invitations, people, and tokens for programs."""

from __future__ import annotations

from typing import Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, LimitError, NotAllowedError, NotFoundError, Role
from guerdon.hosting.may import SCOPES, ensure
from guerdon.web.guard import address_of
from guerdon.web.visit import Page, Visit, status_of

ROLES = [role.value for role in Role if role is not Role.VISITOR]


def host_mode(visit: Visit) -> None:
    """Refuse what makes no sense on a machine of one's own."""
    if visit.desk.settings.local:
        do = "Serve everybody with guerdon serve --host"
        raise NotFoundError("a host that people sign in to", "this one is for this machine only", do)


def sign_in_form(visit: Visit) -> Any:
    """Name and password."""
    host_mode(visit)
    return visit.page("sign_in.html.jinja", title="Sign in", error=None, to=_back(visit.query.get("to", "")))


def sign_in(visit: Visit) -> Any:
    """A session, if they belong together. The token is new, whatever the visitor had before."""
    host_mode(visit)
    to = _back(visit.text("to", 500))
    try:
        if not visit.desk.sign_ins.take(address_of(visit.request.scope)):
            raise LimitError("at most 20 tries a minute from one address", "there were more", "Wait a minute")
        name, password = visit.form.get("name", "")[:200], visit.form.get("password", "")[:2000]
        token = visit.desk.host.people.sign_in(name, password, address_of(visit.request.scope))
    except GuerdonError as error:
        return visit.page("sign_in.html.jinja", status_of(error), title="Sign in", error=error, to=to)
    response = visit.go(to or "/challenges", "signed-in")
    visit.set_cookie(response, "session", token)
    return response


def _back(path: str) -> str:
    """A page of ours to go on to, or nothing.

    >>> _back("/queue"), _back("//evil.example"), _back("https://evil.example/")
    ('/queue', '', '')
    """
    plain = path.startswith("/") and path.isascii() and path.isprintable()
    return path if plain and "\\" not in path and "//" not in path else ""


def sign_out(visit: Visit) -> Any:
    """End the session, here and for whoever copied its cookie."""
    host_mode(visit)
    visit.desk.host.people.sign_out(visit.session)
    response = visit.go("/sign-in", "signed-out")
    response.delete_cookie(visit.desk.cookie("session"), path="/")
    return response


def invitation_form(visit: Visit) -> Any:
    """Where an invitation is taken. Its token comes behind the #, which browsers keep to themselves."""
    host_mode(visit)
    return visit.page("invitation.html.jinja", title="Take your invitation", error=None)


def accept(visit: Visit) -> Any:
    """The person comes into being and is signed in."""
    host_mode(visit)
    name, password = visit.text("name"), visit.form.get("password", "")
    people = visit.desk.host.people
    try:
        if not visit.desk.sign_ins.take(address_of(visit.request.scope)):
            raise LimitError("at most 20 tries a minute from one address", "there were more", "Wait a minute")
        people.accept(visit.text("token"), name, password)
        token = people.sign_in(name, password, address_of(visit.request.scope))
    except GuerdonError as error:
        return visit.page("invitation.html.jinja", status_of(error), title="Take your invitation", error=error)
    response = visit.go("/challenges", "signed-in")
    visit.set_cookie(response, "session", token)
    return response


def everybody(visit: Visit) -> Any:
    """Who takes part, and an invitation for one more."""
    return people_page(visit)


def people_page(visit: Visit, link: str = "", error: GuerdonError | None = None, whose: str = "") -> Any:
    """The page of all people, with an invitation, a link to another password for somebody, or with what was wrong."""
    found = visit.desk.host.people.list(visit.actor)
    return visit.page(
        "people.html.jinja", status_of(error) if error else 200, title="People", people=found, link=link,
        whose=whose, roles=ROLES, error=error,
    )  # fmt: skip


def invite(visit: Visit) -> Any:
    """Make an invitation, shown once on the page that answers."""
    try:
        token = visit.desk.host.people.invite(visit.actor, visit.text("role"), visit.text("team", 60))
    except GuerdonError as error:
        ensure(visit.actor, Action.SEE_PEOPLE)
        return people_page(visit, error=error)
    return people_page(visit, f"{visit.base}/invitation#{token}")


def disable(visit: Visit) -> Any:
    """Shut somebody out, or let them in again."""
    out = visit.text("disabled") != "no"
    visit.desk.host.people.disable(visit.actor, visit.path["id"], out)
    return visit.go("/people", "disabled" if out else "enabled")


def account(visit: Visit) -> Any:
    """The visitor's own tokens."""
    return account_page(visit)


def account_page(visit: Visit, token: str = "", error: GuerdonError | None = None) -> Any:
    """The visitor's own page, with a new token or with what was wrong."""
    host_mode(visit)
    if not visit.actor.person:
        raise NotAllowedError("somebody who has signed in", "you have not", "Sign in")
    me = visit.desk.host.people.get(visit.actor.person)
    ensure(visit.actor, Action.USE_TOKENS, me)
    return visit.page(
        "account.html.jinja", status_of(error) if error else 200, title="Your account", person=me, token=token,
        tokens=visit.desk.host.people.api_tokens(visit.actor), scopes=list(SCOPES), error=error,
    )  # fmt: skip


def new_token(visit: Visit) -> Any:
    """A token for programs, shown once on the page that answers."""
    host_mode(visit)
    chosen = [scope for scope in SCOPES if visit.form.get(f"scope-{scope}") == "yes"]
    days = visit.text("days", 5)
    try:
        token = visit.desk.host.people.new_api_token(
            visit.actor, visit.text("label"), chosen, float(days) if days.isascii() and days.isdigit() else 90.0
        )
    except GuerdonError as error:
        return account_page(visit, error=error)
    return account_page(visit, token)


def revoke(visit: Visit) -> Any:
    """Make a token worthless."""
    host_mode(visit)
    visit.desk.host.people.revoke_api_token(visit.actor, visit.path["id"])
    return visit.go("/account", "revoked")


PAGES = [
    Page("/sign-in", get=sign_in_form, post=sign_in),
    Page("/sign-out", post=sign_out),
    Page("/invitation", get=invitation_form, post=accept),
    Page("/people", get=everybody),
    Page("/people/invite", post=invite),
    Page("/people/{id}/disable", post=disable),
    Page("/account", get=account),
    Page("/account/tokens", post=new_token),
    Page("/account/tokens/{id}/revoke", post=revoke),
]
"""Addresses of accounts."""
