"""Handing in, and what became of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, Contest, HostingError, Phase, State, Submission, may
from guerdon.hosting.files import Intake, shown_name
from guerdon.hosting.may import ensure
from guerdon.web.drawing import Strip, parts_of
from guerdon.web.guard import SMALL
from guerdon.web.visit import Page, Visit, status_of

PIECE = 1 << 18
SHOWN = 20_000
"""Characters of an answer that its page shows."""


def _where(visit: Visit) -> tuple[Contest, Phase]:
    contest = visit.desk.host.contests.get(visit.actor, visit.path["slug"])
    phase = contest.phase(visit.query.get("phase", ""))
    ensure(visit.actor, Action.SUBMIT, phase)
    return contest, phase


def form(visit: Visit) -> Any:
    """Where an answer is handed in."""
    contest, phase = _where(visit)
    return _form(visit, contest, phase)


def _form(visit: Visit, contest: Contest, phase: Phase, error: GuerdonError | None = None) -> Any:
    from guerdon.web.contests import left, standing

    posed = visit.desk.host.contests.posed(contest, phase)
    tasks = list(posed.vault.tasks)
    return visit.page(
        "submit.html.jinja", status_of(error) if error else 200, title=f"Hand in to {contest.title}", contest=contest,
        phase=phase, error=error, entry=posed.entry, single=posed.single, tasks=tasks,
        example=_example(tasks), left=left(visit, contest, phase), standing=standing(phase), form=visit.form,
        help=getattr(posed.challenge, "entry_help", ""),
    )  # fmt: skip


def _example(tasks: list[str]) -> str:
    some = dict.fromkeys(tasks[:3], "…")
    return json.dumps(some, indent=2, ensure_ascii=False)


def most(visit: Visit) -> int:
    """As much as the phase allows, and a little for the form around it."""
    _, phase = _where(visit)
    return min(phase.limits.size, visit.desk.settings.uploads) + SMALL


def submit(visit: Visit) -> Any:
    """Hand in a file, or what was typed."""
    contest, phase = _where(visit)
    try:
        made = _take(visit, contest, phase)
    except GuerdonError as error:
        return _form(visit, contest, phase, error)
    return visit.go(f"/submissions/{made.id}", "submitted")


def _take(visit: Visit, contest: Contest, phase: Phase) -> Submission:
    note, file = visit.text("note", 2000), visit.files.get("file")
    if file is not None and visit.form.get("answer", "").strip():
        raise HostingError("a file or a text", "got both", "Leave one of them out")
    take = visit.desk.host.submissions.submit
    if file is None:
        typed = visit.form.get("answer", "")
        if not typed.strip():
            raise HostingError(
                "a submission", "there is no text, and no file with anything in it", "Choose a file or write an answer"
            )
        return take(visit.actor, contest.slug, phase.name, typed.replace("\r\n", "\n"), note)
    with Intake(phase.limits.size, "a submission") as intake:
        file.file.seek(0)
        while piece := file.file.read(SMALL):
            intake.add(piece)
        return take(visit.actor, contest.slug, phase.name, intake.path(), note, shown_name(file.filename or ""))


def mine(visit: Visit) -> Any:
    """The visitor's submissions, or everybody's for organisers."""
    ensure(visit.actor, Action.SEE_QUEUE)
    contest, older, newer = (visit.query.get(name, "") for name in ("challenge", "older", "newer"))
    page = visit.desk.host.submissions.page
    found = page(visit.actor, contest, older_than=older, newer_than="" if older else newer)
    if newer and not found.newer:  # the newest are a whole page again
        found = page(visit.actor, contest)
    return visit.page("submissions.html.jinja", title="Submissions", found=found, items=found.items, contest=contest)


def attempt(visit: Visit) -> Any:
    """One submission: where it stands, its score or its fault, what was handed in."""
    item = visit.desk.host.submissions.get(visit.actor, visit.path["id"])
    contest = visit.desk.host.contests.get(visit.actor, item.contest)
    cut, answer = 0, ""
    parts = parts_of(item.score.parts) if item.score else []
    if may(visit.actor, Action.SEE_ANSWER, item) and item.size <= 4 * SMALL:
        answer, cut = _readable(visit.desk.host.submissions.answer(visit.actor, item.id))
    return visit.page(
        "attempt.html.jinja", title=f"Submission {item.number + 1}", item=item, contest=contest,
        phase=contest.phase(item.phase), answer=answer, cut=cut, steps=_steps(item),
        parts=parts[:60], strip=Strip([part for part in parts if part.low is not None]),
    )  # fmt: skip


def _readable(content: bytes) -> tuple[str, int]:
    """The beginning of a text, and how many characters are left out; nothing of what is no text."""
    try:
        whole = content.decode("utf-8")
    except UnicodeDecodeError:
        return "", 0
    return ("", 0) if "\0" in whole else (whole[:SHOWN], max(len(whole) - SHOWN, 0))


def _steps(item: Submission) -> list[tuple[str, str]]:
    """The way of a submission, each step with its class: past, now or to come."""
    if item.state is State.CANCELLED:
        return [("handed in", "past"), ("cancelled", "now bad")]
    order = [State.QUEUED, State.LEASED, State.DONE]
    at = 2 if item.state is State.FAULT else order.index(item.state)
    last = "failed" if item.state is State.FAULT else "judged"
    words = ["waiting", "being judged", last]
    tone = "now bad" if item.state is State.FAULT else "now good" if item.state is State.DONE else "now"
    return [("handed in", "past")] + [
        (word, "past" if i < at else tone if i == at else "later") for i, word in enumerate(words)
    ]


def answer(visit: Visit) -> Any:
    """What was handed in, as a file. Never shown by the browser: it may be anything."""
    item = visit.desk.host.submissions.get(visit.actor, visit.path["id"])
    return visit.desk.fetching.lent(visit.actor.person, "files fetched", lambda: _file(visit, item))


def _file(visit: Visit, item: Submission) -> Any:
    from starlette.responses import StreamingResponse

    content = visit.desk.host.submissions.answer(visit.actor, item.id)
    name = quote(item.name or f"submission-{item.number + 1}", safe="")
    heads = {
        "content-disposition": f"attachment; filename*=UTF-8''{name}",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-length": str(len(content)),
    }
    return StreamingResponse(_pieces(content), media_type="application/octet-stream", headers=heads)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """Piece by piece, each when the one before has left: whoever reads slowly has it once in memory, on a seat."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def _change(visit: Visit, said: str, made: Submission) -> Any:
    back = visit.text("back")
    return visit.go("/queue" if back == "queue" else f"/submissions/{made.id}", said)


def cancel(visit: Visit) -> Any:
    """Take it out, or withdraw it."""
    return _change(visit, "cancelled", visit.desk.host.submissions.cancel(visit.actor, visit.path["id"]))


def retry(visit: Visit) -> Any:
    """Judge it again."""
    return _change(visit, "retried", visit.desk.host.submissions.retry(visit.actor, visit.path["id"]))


def final(visit: Visit) -> Any:
    """Choose it to count, or take the choice back."""
    chosen = visit.text("chosen") != "no"
    made = visit.desk.host.submissions.choose_final(visit.actor, visit.path["id"], chosen)
    return _change(visit, "chosen" if chosen else "unchosen", made)


PAGES = [
    Page("/challenges/{slug}/submit", get=form, post=submit, most=most),
    Page("/submissions", get=mine),
    Page("/submissions/{id}", get=attempt),
    Page("/submissions/{id}/answer", get=answer),
    Page("/submissions/{id}/cancel", post=cancel),
    Page("/submissions/{id}/retry", post=retry),
    Page("/submissions/{id}/final", post=final),
]
"""Addresses of submissions."""
