"""Comparing two things at a time, blind and by keyboard; how the ratings stand beside it, for organisers.

Without scripts every key is a button of a form. With them the next three pairs are fetched ahead.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, Actor, Host, HostingError, Project, ShownPair, Standing, may
from guerdon.hosting.files import Intake
from guerdon.hosting.may import ensure
from guerdon.report import text
from guerdon.report.svg import Bar, intervals
from guerdon.web import items
from guerdon.web.visit import Page, Visit, status_of

AHEAD = 4
"""The pair that is looked at and the next three."""
LETTERS = 50_000
"""Characters of one side that are shown."""
CELL = 24
"""Characters of a field of a trajectory's step that still fits a column."""
RATED = 12
"""So many systems are drawn."""
MEDIA = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm")
"""What is shown as a picture or clip; anything else is not shown."""
MEDIA_HEADERS = {"content-security-policy": "default-src 'none'; sandbox", "cache-control": "private, max-age=600"}
FORMATS = ("trl", "trl-implicit", "alpaca-farm", "guerdon")
FLAGS = {
    "one side": "nearly always the same side, though sides are drawn",
    "alternating": "sides follow a pattern",
    "burst": "more votes than all others could balance",
    "fast": "faster than anybody can look",
    "gold": "no better than chance on gold questions",
}
"""What each flag of a voter means."""
KEYS = (
    ("first", "←", "Left"),
    ("tie", "↓", "Equal"),
    ("second", "→", "Right"),
    ("both-bad", "b", "Both bad"),
    ("skip", "s", "Skip"),
)


def projects(visit: Visit) -> Any:
    """What there is to compare."""
    found = visit.desk.host.comparisons.list(visit.actor)
    return visit.page(
        "comparisons.html.jinja", title="Comparisons", projects=found, error=None,
        makes=may(visit.actor, Action.CREATE_PROJECT),
    )  # fmt: skip


def create(visit: Visit) -> Any:
    """Open a project with the items of a file."""
    comparisons = visit.desk.host.comparisons
    ensure(visit.actor, Action.CREATE_PROJECT)
    try:
        found = _read(visit)
        slug = visit.text("slug", 60)
        question = visit.text("question", 500) or "Which is better?"
        made = comparisons.create(visit.actor, slug, visit.text("title") or slug, question)
        items.add(visit.desk.host, visit.actor, made.slug, found)
    except GuerdonError as error:
        return visit.page(
            "comparisons.html.jinja", status_of(error), title="Comparisons", error=error, makes=True,
            projects=comparisons.list(visit.actor),
        )  # fmt: skip
    return visit.go(f"/compare/{made.slug}/standing", "project")


def _read(visit: Visit) -> items.Read:
    """The items that were handed in."""
    file = visit.files.get("items")
    if file is None:
        raise HostingError("a file of items", "there is none", "Choose a .jsonl file, or a .zip with one")
    with Intake(items.MOST, "a file of items") as intake:
        file.file.seek(0)
        while piece := file.file.read(1 << 20):
            intake.add(piece)
        return items.read(visit.desk.host, intake.path())


def more(visit: Visit) -> Any:
    """Add items and gold questions of a file to a project."""
    project = _run(visit)
    try:
        new = items.add(visit.desk.host, visit.actor, project.slug, _read(visit))
    except GuerdonError as error:
        return _standing_page(visit, project, error)
    return visit.go(f"/compare/{project.slug}/standing", "added" if new else "known")


def gold(visit: Visit) -> Any:
    """Add one gold question."""
    project = _run(visit)
    add = visit.desk.host.comparisons.add_gold
    try:
        add(visit.actor, project.slug, visit.text("first"), visit.text("second"), visit.text("outcome", 20))
    except GuerdonError as error:
        return _standing_page(visit, project, error)
    return visit.go(f"/compare/{project.slug}/standing", "gold")


def _run(visit: Visit) -> Project:
    project = _project(visit)
    ensure(visit.actor, Action.RUN_PROJECT, project)
    return project


def compare(visit: Visit) -> Any:
    """The pair to look at now."""
    project = _project(visit)
    pairs = visit.desk.host.comparisons.next_pairs(visit.actor, project.slug, 1)
    pair = pairs[0] if pairs else None
    return visit.page(
        "compare.html.jinja", title=project.question, project=project, pair=pair, keys=KEYS, side=side,
        standing=_standing(visit, project) if _organises(visit, project) else None, drawing=drawing,
    )  # fmt: skip


def _project(visit: Visit) -> Project:
    found: Project = visit.desk.host.comparisons.find(visit.path["slug"])
    ensure(visit.actor, Action.ANNOTATE, found)
    return found


def _organises(visit: Visit, project: Project) -> bool:
    return may(visit.actor, Action.RUN_PROJECT, project)


def _standing(visit: Visit, project: Project) -> Standing:
    found: Standing = visit.desk.host.comparisons.standing(visit.actor, project.slug)
    return found


def side(pair: ShownPair, which: str) -> dict[str, str]:
    """One side as it is shown: its kind, and a text or an address."""
    shown = pair.first if which == "first" else pair.second
    if shown.content is None and shown.media not in ("text/plain", "application/json"):
        if shown.media not in MEDIA:
            return {"kind": "text", "text": f"(a file of {text.line(shown.media, 60)}, which is not shown)"}
        kind = "image" if shown.media.startswith("image/") else "video"
        return {"kind": kind, "text": f"/compare/media/{pair.id}/{which}"}
    if isinstance(shown.content, str):
        return {"kind": "text", "text": text.visible(text.clip(shown.content, LETTERS))}
    kind, words = _laid_out(shown.content)
    return {"kind": kind, "text": text.visible(text.clip(words, LETTERS))}


def _laid_out(content: Any) -> tuple[str, str]:
    """A dialogue as text, a trajectory as a table or as numbered lines, other data as indented JSON."""
    steps = content.get("steps") if isinstance(content, dict) else content
    if not isinstance(steps, (list, tuple)) or not steps or not all(isinstance(each, dict) for each in steps):
        return "data", json.dumps(content, indent=2, ensure_ascii=False, default=str)
    if all(isinstance(each.get("role"), str) and isinstance(each.get("content"), str) for each in steps):
        return "text", "\n\n".join(f"{each['role']}: {each['content']}" for each in steps)
    return _table(steps) or ("text", _numbered(steps))


def _table(steps: Sequence[Any]) -> tuple[str, str] | None:
    """Steps that all have the same short fields, as columns; `None` for others."""
    names = list(steps[0])
    counted = [] if "step" in names else ["step"]
    rows = [counted + names]
    rows += [[str(k)] * len(counted) + [*map(_word, each.values())] for k, each in enumerate(steps, 1)]
    if any(list(each) != names for each in steps) or any(len(word) > CELL for row in rows for word in row):
        return None
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows)
    return "table", "\n".join(lines)


def _numbered(steps: Sequence[Any]) -> str:
    lines = (", ".join(f"{name} {_word(value)}" for name, value in each.items()) for each in steps)
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def _word(value: Any) -> str:
    return value if isinstance(value, str) and "\n" not in value else json.dumps(value, ensure_ascii=False)


def pairs(visit: Visit) -> Any:
    """The pair to look at now and the next three, as JSON for the page's script."""
    return _answer(visit, _project(visit))


def _answer(visit: Visit, project: Project) -> Any:
    from starlette.responses import JSONResponse

    found: Sequence[ShownPair] = visit.desk.host.comparisons.next_pairs(visit.actor, project.slug, AHEAD)
    plain = [
        {
            "id": pair.id, "version": pair.version, "number": pair.number + place,
            "prompt": text.visible(text.clip(pair.prompt, LETTERS)),
            "first": side(pair, "first"), "second": side(pair, "second"),
        }
        for place, pair in enumerate(found)
    ]  # fmt: skip
    return JSONResponse({"pairs": plain})


def choose(visit: Visit) -> Any:
    """Record what was said of a pair; the same click twice is one."""
    project, version = _project(visit), visit.text("version", 10)
    if not (version.isascii() and version.isdigit()):
        raise HostingError("the version of a question", f"got {version!r}", "Reload the page")
    visit.desk.host.comparisons.choose(visit.actor, visit.text("pair", 64), visit.text("outcome"), int(version))
    return _answer(visit, project) if _scripted(visit) else visit.go(f"/compare/{project.slug}")


def undo(visit: Visit) -> Any:
    """Take the newest choice back."""
    project = _project(visit)
    visit.desk.host.comparisons.undo(visit.actor, project.slug, visit.text("pair", 64))
    return _answer(visit, project) if _scripted(visit) else visit.go(f"/compare/{project.slug}", "undone")


def _scripted(visit: Visit) -> bool:
    return bool(visit.request.headers.get("accept", "") == "application/json")


def media(visit: Visit) -> Any:
    """The picture or clip on one side of a question that was put to the visitor."""
    from starlette.responses import Response

    content, kind = visit.desk.host.comparisons.media(visit.actor, visit.path["pair"], visit.path["side"])
    shown = kind if kind in MEDIA else "application/octet-stream"
    return Response(content, media_type=shown, headers=MEDIA_HEADERS)


def standing(visit: Visit) -> Any:
    """Ratings, agreement, annotators; for organisers more items and gold questions."""
    return _standing_page(visit, _run(visit))


def _standing_page(visit: Visit, project: Project, error: GuerdonError | None = None) -> Any:
    found = _standing(visit, project)
    return visit.page(
        "standing.html.jinja", status_of(error) if error else 200, title=project.title, project=project, error=error,
        standing=found, drawing=drawing(found), form=visit.form,
    )  # fmt: skip


def review(visit: Visit) -> Any:
    """Whether ratings can be relied on: who votes like a bot or against all, and on how few votes rank 1 rests."""
    project = _run(visit)
    found = visit.desk.host.comparisons.review(visit.actor, project.slug)
    return visit.page("review.html.jinja", title="Can they be relied on?", project=project, review=found, flags=FLAGS)


def weigh(visit: Visit) -> Any:
    """Weigh votes in another way."""
    project = visit.desk.host.comparisons.weigh(visit.actor, visit.path["slug"], visit.text("weights", 20))
    return visit.go(f"/compare/{project.slug}/review", "weighed")


def drawing(found: Standing) -> Markup | None:
    """The ratings with their intervals."""
    rows = [
        Bar(each.name, each.rating, text.number(round(each.rating)), 0, each.low, each.high)
        for each in found.ratings[:RATED]
    ]
    if not rows or not found.answered:
        return None
    best = found.ratings[0]
    says = f"{text.short(best.name, 40)} leads with {text.number(round(best.rating))}."
    return intervals("ratings", "Ratings", says, rows, "rating, with 95 % intervals")


def export(visit: Visit) -> Any:
    """The choices as chosen and rejected, one JSON object a line."""
    from starlette.responses import Response

    project = _project(visit)
    kind = visit.query.get("format", "trl")
    content = written(visit.desk.host, visit.actor, project.slug, kind)
    heads = {"content-disposition": f'attachment; filename="{project.slug}-{kind}.jsonl"'}
    return Response(content, media_type="application/jsonl", headers=heads)


def written(host: Host, actor: Actor, project: str, kind: str) -> bytes:
    """What people chose, as lines in one of `FORMATS`.

    Raises:
        HostingError: there is no such format, or nothing was chosen that it can hold.
    """
    if kind not in FORMATS:
        raise HostingError("a format of preferences", f"got {kind!r:.40}", "Try trl")
    with tempfile.TemporaryDirectory(prefix="guerdon-export-") as folder:
        path = Path(folder) / "preferences.jsonl"
        host.comparisons.export(actor, project, path, kind)
        return path.read_bytes()


def most(visit: Visit) -> int:
    """As much as an organiser may send."""
    ensure(visit.actor, Action.CREATE_PROJECT)
    return items.MOST


def more_most(visit: Visit) -> int:
    """As much as an organiser may add to a project."""
    _run(visit)
    return items.MOST


PAGES = [
    Page("/compare", get=projects, post=create, most=most),
    Page("/compare/media/{pair}/{side}", get=media),
    Page("/compare/{slug}", get=compare, post=choose),
    Page("/compare/{slug}/pairs", get=pairs),
    Page("/compare/{slug}/undo", post=undo),
    Page("/compare/{slug}/standing", get=standing),
    Page("/compare/{slug}/review", get=review),
    Page("/compare/{slug}/weigh", post=weigh),
    Page("/compare/{slug}/items", post=more, most=more_most),
    Page("/compare/{slug}/gold", post=gold),
    Page("/compare/{slug}/export", get=export),
]
"""Addresses of comparisons."""
