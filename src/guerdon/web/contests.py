"""Pages of challenges: the list, one with its leaderboard, a new one, closing and revealing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from guerdon.core.challenge import Landmark, Visibility
from guerdon.core.errors import ConfigError
from guerdon.hosting import Action, Board, BoardRow, Contest, LimitsLeft, NotAllowedError, Phase, Role, may
from guerdon.hosting.duplicates import Duplicate
from guerdon.hosting.files import write_table
from guerdon.hosting.may import ensure
from guerdon.web import posing, readings
from guerdon.web.drawing import Strip
from guerdon.web.visit import AGAIN_S, Page, Visit

PARTS = 4
"""Parts of a score that a leaderboard has room for; its CSV file has all."""
PAGE, ALIKE = 100, 200


def challenges(visit: Visit) -> Any:
    """The challenges that the visitor may see."""
    found = visit.desk.host.contests.list(visit.actor)
    ends = time.monotonic() + readings.PATIENCE_S  # for all of them together
    cards = [(contest, *_heading(visit, contest, ends)) for contest in found]
    return visit.page("challenges.html.jinja", title="Challenges", cards=cards)


def _heading(visit: Visit, contest: Contest, ends: float) -> tuple[Phase, str, Board | None]:
    """The phase that a visitor wants first, how it stands, and its board if that is read by then."""
    phase = _first(contest)
    waits = reading(visit, contest, phase, ends)
    return phase, standing(phase), None if waits else board_of(visit, contest, phase, 1, 1)


def _first(contest: Contest) -> Phase:
    return next((each for each in contest.phases if standing(each) == "open"), contest.phases[-1])


def challenge(visit: Visit) -> Any:
    """One challenge: rules, phases, what is left to submit, the leaderboard."""
    contest = visit.desk.host.contests.get(visit.actor, visit.path["slug"])
    wanted = visit.query.get("phase", "")
    phase = contest.phase(wanted) if wanted else _first(contest)
    waits = reading(visit, contest, phase)
    board = None if waits else board_of(visit, contest, phase, visit.number("from", 1, 1 << 31, 1), PAGE)
    if board and board.count and not board.rows:
        board = board_of(visit, contest, phase, board.count, PAGE)
    shown: Sequence[BoardRow] = board.rows if board else ()
    own = [board.own] if board and board.own and not any(row.own for row in shown) else []
    first, count = (board.first, board.count) if board else (1, 0)
    measure, names = _columns(shown)
    page = visit.page(
        "challenge.html.jinja", title=contest.title, contest=contest, phase=phase, board=board, rows=shown, own=own,
        first=first, last=first - 1 + len(shown), per=PAGE, count=count, strip=Strip([*shown, *own]),
        measure=measure, parts=names, published=published(visit, contest, phase),
        baselines=visit.desk.host.people.baseline_teams() if shown else frozenset(),
        left=left(visit, contest, phase) if may(visit.actor, Action.SUBMIT, phase) else None,
        chosen=chosen(visit, contest, phase), standing=standing, broken=broken(visit, contest, phase),
        organises=may(visit.actor, Action.RUN_CONTEST, contest), reading=waits,
    )  # fmt: skip
    if waits:
        page.headers["refresh"] = str(AGAIN_S)
    return page


def reading(visit: Visit, contest: Contest, phase: Phase, ends: float | None = None) -> bool:
    """Whether the board is not there yet, because it is still being read; see `Desk.has_read`."""
    try:
        return not visit.desk.has_read(contest, phase, ends)
    except (NotAllowedError, ConfigError):
        return False


def _columns(rows: Sequence[BoardRow]) -> tuple[str, list[str]]:
    """The score's name and the parts beside it: neither the part that the score is, nor ends of parts' intervals."""
    names = _part_names(rows)
    known = [row for row in rows if row.value is not None]
    same = (name for name in names if known and all(row.parts.get(name) == row.value for row in known))
    measure = next(same, "score")
    ends = {f"{name}_{end}" for name in names for end in ("low", "high")}
    return measure, [name for name in names if name != measure and name not in ends][:PARTS]


def _part_names(rows: Sequence[BoardRow]) -> list[str]:
    """Names of the parts of scores, without the ends of the interval, which have columns of their own."""
    return list(dict.fromkeys(name for row in rows for name in row.parts if name not in ("low", "high")))


def board_of(visit: Visit, contest: Contest, phase: Phase, first: int, count: int) -> Board | None:
    """So many rows of the leaderboard from one on, where the visitor may see one."""
    try:
        return visit.desk.host.board(contest.slug, phase.name, visit.actor, first, count)
    except (NotAllowedError, ConfigError):  # one challenge that has gone must not take the list with it
        return None


def broken(visit: Visit, contest: Contest, phase: Phase) -> str:
    """Why the challenge cannot be loaded; "" if it can."""
    try:
        visit.desk.host.contests.posed(contest, phase)
    except ConfigError as error:
        return str(error)
    return ""


def published(visit: Visit, contest: Contest, phase: Phase) -> Sequence[Landmark]:
    """Values that others have published for this task, to see results beside."""
    try:
        posed = visit.desk.host.contests.posed(contest, phase)
        return posed.challenge.landmarks(next(iter(posed.vault.tasks.values()))) if posed.single else ()
    except ConfigError:
        return ()


def standing(phase: Phase) -> str:
    """How a phase stands, in a word."""
    if phase.revealed:
        return "revealed"
    if phase.closed:
        return "closed"
    return "not open yet" if phase.opens is not None and time.time() < phase.opens else "open"


def chosen(visit: Visit, contest: Contest, phase: Phase) -> int | None:
    """How many submissions to a sealed phase the visitor's team has chosen to count; `None` where it chooses none."""
    if phase.visibility is not Visibility.SEALED or visit.actor.role is not Role.ENTRANT:
        return None
    return visit.desk.host.submissions.finals(visit.actor, contest, phase)


def left(visit: Visit, contest: Contest, phase: Phase) -> LimitsLeft:
    """What the visitor's team may still submit, counted as the limits are."""
    return visit.desk.host.submissions.limits_left(visit.actor, contest.slug, phase.name)


def table(visit: Visit) -> Any:
    """A leaderboard as a CSV file, made once for all who may be told the same until it changes."""
    from starlette.responses import Response

    contest = visit.desk.host.contests.get(visit.actor, visit.path["slug"])
    phase = contest.phase(visit.query.get("phase", ""))
    if reading(visit, contest, phase):
        return visit.go(f"/challenges/{contest.slug}?phase={quote(phase.name, safe='')}")
    mark = visit.desk.host.board_mark(contest.slug, phase.name, visit.actor)
    body = visit.desk.tables.get(mark)
    if body is None:
        board = visit.desk.host.board(contest.slug, phase.name, visit.actor)
        mark, body = board.mark, _table(board)
        visit.desk.tables.put(mark, body)
    heads = {"content-disposition": f'attachment; filename="{contest.slug}-leaderboard.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=heads)


def _table(board: Board) -> bytes:
    names = _part_names(board.rows)
    head = ["rank", "group", "team", "score", "low", "high", "entries", *names]
    lines: list[list[Any]] = [
        [row.rank, row.group, row.team_name, row.value, row.low, row.high, row.entries, *map(row.parts.get, names)]
        for row in board.rows
    ]
    return write_table(head, lines).encode()


# ── an organiser's ──────────────────────────────────────────────────────────────────────────────────────────────────


def close(visit: Visit) -> Any:
    """Take no more submissions."""
    contest = visit.desk.host.contests.close(visit.actor, visit.path["slug"], visit.text("phase"))
    return visit.go(_address(contest, visit), "closed")


def reveal(visit: Visit) -> Any:
    """Show the scores."""
    contest = visit.desk.host.contests.reveal(visit.actor, visit.path["slug"], visit.text("phase"))
    return visit.go(_address(contest, visit), "revealed")


def _address(contest: Contest, visit: Visit) -> str:
    phase = visit.text("phase")
    return f"/challenges/{contest.slug}" + (f"?phase={quote(contest.phase(phase).name, safe='')}" if phase else "")


def duplicates(visit: Visit) -> Any:
    """Submissions of different teams that are alike; compared in the background, which may take minutes."""
    contest, desk = visit.desk.host.contests.get(visit.actor, visit.path["slug"]), visit.desk
    ensure(visit.actor, Action.SEE_DUPLICATES, contest)
    actor = visit.actor

    def read() -> tuple[list[Duplicate], int]:
        found = desk.host.near_duplicates(contest.slug, actor)
        return found[:ALIKE], len(found)

    found, _ = desk.alike.get((f"{contest.id}@{desk.forgotten()}", False), desk.host.newest_event(), read)
    if found is None:
        words = "What was handed in is being compared."
        return visit.making("Alike", words, f"/challenges/{contest.slug}", contest.title)
    return visit.page("duplicates.html.jinja", title="Alike", contest=contest, pairs=found[0], count=found[1])


PAGES = [
    Page("/", get=challenges),
    Page("/challenges", get=challenges),
    Page("/challenges/new", get=posing.new, post=posing.create, most=posing.most),
    Page("/challenges/{slug}", get=challenge),
    Page("/challenges/{slug}/board.csv", get=table),
    Page("/challenges/{slug}/close", post=close),
    Page("/challenges/{slug}/reveal", post=reveal),
    Page("/challenges/{slug}/alike", get=duplicates),
]
"""Addresses of challenges."""

__all__ = ["PAGES", "board_of", "left", "standing"]
