"""A new challenge from files: which it is, its data, its rules and its limits."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from guerdon.bench.loading import challenge_class, challenge_places
from guerdon.core.errors import ConfigError, GuerdonError, did_you_mean
from guerdon.core.plain import Json
from guerdon.hosting import Action, HostingError, Limits, Phase
from guerdon.hosting.challenges import challenge_of
from guerdon.hosting.may import ensure
from guerdon.web.visit import Visit, status_of

ENDINGS = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".zip", ".npy", ".npz", ".parquet", ".gz", ".py", ".md")
"""Endings that a stored file keeps; it has no other name than its digest."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A field of a challenge's class, as the form shows it."""

    name: str
    default: str
    file: bool


def most(visit: Visit) -> int:
    """As much as an organiser may send."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    return visit.desk.settings.uploads


def new(visit: Visit) -> Any:
    """The form, for the challenge that was chosen."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    return _form(visit, visit.query.get("challenge", ""))


def _form(visit: Visit, ref: str, error: GuerdonError | None = None) -> Any:
    known = choices(visit)
    settings: list[Setting] = []
    if ref:
        if ref not in known:
            raise HostingError("a challenge of the list", f"got {ref!r:.60}", did_you_mean(ref[:60], known))
        settings = settings_of(challenge_class(known[ref]))
    return visit.page(
        "new.html.jinja", status_of(error) if error else 200, title="A new challenge", ref=ref, known=sorted(known),
        settings_of=settings, error=error, form=visit.form, upload=visit.desk.settings.local,
    )  # fmt: skip


def choices(visit: Visit) -> Mapping[str, str]:
    """Challenges that can be posed by name: those of systems, and the Python files of the organisers' folder."""
    found = {name: name for name in challenge_places()}
    folder = visit.desk.settings.folder()
    if folder is not None:
        found |= {path.name: str(path) for path in sorted(folder.glob("*.py"))}
    return found


def settings_of(kind: Any) -> list[Setting]:
    """The fields of a challenge's class."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return []
    return [Setting(each.name, _default(each), _is_file(each)) for each in dataclasses.fields(kind) if each.init]


def _is_file(each: dataclasses.Field[Any]) -> bool:
    """A path, or a text that has no value of its own by default."""
    kind = str(each.type)
    return "Path" in kind or ("str" in kind and each.default in ("", None, dataclasses.MISSING))


def _default(each: dataclasses.Field[Any]) -> str:
    import json

    if each.default is dataclasses.MISSING:
        return ""
    try:
        return each.default if isinstance(each.default, str) else json.dumps(each.default)
    except TypeError:
        return ""


def create(visit: Visit) -> Any:
    """Open the challenge."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    ref = visit.text("challenge")
    try:
        made = _created(visit, ref)
    except GuerdonError as error:
        return _form(visit, ref if ref in choices(visit) else "", error)
    return visit.go(f"/challenges/{made}", "created")


def _created(visit: Visit, ref: str) -> str:
    place = _place(visit, ref)
    fields = _fields(visit, challenge_class(place))
    limits = Limits(
        per_day=_whole(visit, "per_day"), total=_whole(visit, "total"), concurrent=_whole(visit, "concurrent"),
        seconds=float(_whole(visit, "seconds") or 600),
    )  # fmt: skip
    closes, reveal = _moment(visit, "closes"), visit.text("reveal") or "manual"
    if reveal not in ("manual", "close"):
        raise HostingError("scores shown by hand or at closing", f"got {reveal!r:.40}", "Choose one of them")
    challenge = challenge_of(place, fields)
    phases = [
        Phase(split, split, closes=closes, limits=limits, reveal=reveal)  # type: ignore[arg-type]  # checked above
        for split in challenge.splits
    ]
    slug = visit.text("slug", 60)
    if slug == "new":
        raise HostingError("another name", "new is an address of ours", "Choose another")
    made = visit.desk.host.contests.create(
        visit.actor, place, slug, visit.text("title") or slug, phases, visit.text("rules", 100_000), fields=fields,
        public=visit.form.get("public") == "yes",
    )  # fmt: skip
    return made.slug


def _place(visit: Visit, ref: str) -> str:
    """Where the challenge is; a Python file is taken from the form on the organiser's own machine only."""
    file = visit.files.get("python")
    if file is not None and not ref:
        if not visit.desk.settings.local:
            do = "Put the file into the folder of guerdon serve --challenges"
            raise HostingError("a challenge of the list", "Python files are not taken over the net", do)
        return str(_stored(visit, file, ".py"))
    known = choices(visit)
    if ref not in known:
        raise HostingError("a challenge of the list, or a file", f"got {ref!r:.60}", did_you_mean(ref[:60], known))
    return known[ref]


def _fields(visit: Visit, kind: Any) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for setting in settings_of(kind):
        file, typed = visit.files.get(f"file-{setting.name}"), visit.text(f"set-{setting.name}", 10_000)
        if file is not None and setting.file:
            found[setting.name] = str(_stored(visit, file))
        elif typed and typed != setting.default:
            value = _value(typed)
            _check_path(visit, setting, value)
            found[setting.name] = value
    return found


def _value(typed: str) -> Any:
    """JSON where it is JSON, else the text."""
    import json

    try:
        return json.loads(typed)
    except ValueError:
        return typed


def _check_path(visit: Visit, setting: Setting, value: object) -> None:
    """Over the net, an organiser names files of the folder for challenges and no others."""
    if visit.desk.settings.local or not isinstance(value, str) or not ("/" in value or Path(value).exists()):
        return
    folder = visit.desk.settings.folder()
    if folder is None or not Path(value).resolve().is_relative_to(folder):
        raise HostingError(f"{setting.name} in the folder for challenges", "it is elsewhere", "Hand the file in")


def _stored(visit: Visit, file: Any, ending: str = "") -> Path:
    """A file of a challenge, kept under its digest. Its name is the sender's, and never becomes a path."""
    ending = ending or PurePosixPath((file.filename or "").replace("\\", "/")).suffix.lower()
    if ending not in ENDINGS:
        raise HostingError("a data file", f"its ending is {ending!r:.20}", f"Known are {', '.join(ENDINGS)}")
    file.file.seek(0)
    digest = hashlib.sha256()
    while piece := file.file.read(1 << 20):
        digest.update(piece)
    file.file.seek(0)
    folder = visit.desk.host.ledger.folder / "challenges"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{digest.hexdigest()}{ending}"
    part = target.with_suffix(f".part{id(file)}")
    with part.open("wb") as to:
        while piece := file.file.read(1 << 20):
            to.write(piece)
    return part.replace(target)


def _whole(visit: Visit, name: str) -> int | None:
    typed = visit.text(name, 20)
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit()):
        raise HostingError(f"{name.replace('_', ' ')} is a whole number", f"got {typed!r}", "Leave it empty for any")
    return int(typed)


def _moment(visit: Visit, name: str) -> float | None:
    typed = visit.text(name, 40)
    if not typed:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise ConfigError("a time as 2026-12-24T12:00", f"got {typed!r}", "Correct it") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
