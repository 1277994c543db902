"""Another password: by whoever knows the present one, or by a link that an organiser makes."""

from __future__ import annotations

from typing import Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import LimitError
from guerdon.web.accounts import account_page, host_mode, people_page
from guerdon.web.guard import address_of
from guerdon.web.visit import Page, Visit, status_of

LONGEST = 2000
"""Characters of a password that are looked at."""


def change(visit: Visit) -> Any:
    """Another password, by whoever knows the present one; all other sessions end."""
    host_mode(visit)
    old, new = visit.form.get("old", "")[:LONGEST], visit.form.get("new", "")[:LONGEST]
    try:
        token = visit.desk.host.renewal.change(visit.actor, old, new)
    except GuerdonError as error:
        return account_page(visit, error=error)
    response = visit.go("/account", "renewed")
    visit.set_cookie(response, "session", token)
    return response


def link(visit: Visit) -> Any:
    """A link for somebody who forgot their password, shown once on the page that answers."""
    person = visit.desk.host.people.find(visit.actor, visit.path["id"])
    token = visit.desk.host.renewal.link(visit.actor, person.id)
    return people_page(visit, f"{visit.base}/new-password#{token}", whose=person.name)


def form(visit: Visit) -> Any:
    """Where a link leads. Its token comes behind the #, which browsers keep to themselves."""
    host_mode(visit)
    return visit.page("new_password.html.jinja", title="Take another password", error=None)


def take(visit: Visit) -> Any:
    """Another password, by a link."""
    host_mode(visit)
    try:
        if not visit.desk.sign_ins.take(address_of(visit.request.scope)):
            raise LimitError("at most 20 tries a minute from one address", "there were more", "Wait a minute")
        visit.desk.host.renewal.take(visit.text("token"), visit.form.get("password", "")[:LONGEST])
    except GuerdonError as error:
        return visit.page("new_password.html.jinja", status_of(error), title="Take another password", error=error)
    return visit.go("/sign-in", "renewed")


PAGES = [
    Page("/account/password", post=change),
    Page("/people/{id}/password", post=link),
    Page("/new-password", get=form, post=take),
]
"""Addresses of passwords."""
