"""The fields of a challenge that an organiser fills in by a form: values, files, and folders as one zip."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import shutil
import time
import typing
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from guerdon.core.errors import GuerdonError
from guerdon.core.plain import Json
from guerdon.core.recipe import field_docs
from guerdon.hosting import Host, HostingError
from guerdon.hosting.challenges import is_path_field, is_there
from guerdon.hosting.files import Archive, ArchiveCaps, Intake, read_zip, shown_name
from guerdon.web.visit import Visit

ENDINGS = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".zip", ".npy", ".npz", ".parquet", ".gz", ".py", ".md")
"""Endings that a stored file keeps; it has no other name than its digest."""
PIECE = 1 << 20
DAY_S = 86400.0
ENTRIES = 200_000
"""Files of one folder: pictures come by the ten thousand."""
WIDE = 4
"""A folder may unpack to so many times the bytes that may be sent."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A field of a challenge's class, as the form shows it.

    Args:
        name: of the field.
        default: as text.
        file: a file or folder may be handed in for it.
        help: what the class says of it.
        options: what it may be, where it is one of a few.
        text: what is typed is its value as it is; elsewhere it is read as JSON.
    """

    name: str
    default: str
    file: bool
    help: str = ""
    options: Sequence[str] = ()
    text: bool = False


def settings_of(kind: Any) -> list[Setting]:
    """The fields of a challenge's class; none for an instance."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return []
    hints, docs = typing.get_type_hints(kind), field_docs(kind)
    return [
        Setting(
            each.name, _default(each), is_path_field(each), docs.get(each.name, ""), _options(hints[each.name]),
            hints[each.name] is str or is_path_field(each),
        )
        for each in dataclasses.fields(kind)
        if each.init
    ]  # fmt: skip


def _options(hint: Any) -> Sequence[str]:
    if hint is bool:
        return ("true", "false")
    words = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return words if all(isinstance(word, str) for word in words) else ()


def _default(each: dataclasses.Field[Any]) -> str:
    if each.default is dataclasses.MISSING:
        return ""
    try:
        return each.default if isinstance(each.default, str) else json.dumps(each.default)
    except TypeError:
        return ""


def fields(visit: Visit, kind: Any) -> dict[str, Json]:
    """What was filled in and differs from the defaults.

    Raises:
        HostingError: a file is none of data, or a path is not the organisers' to name.
        FileProblemError: a zip is not safe to unpack.
    """
    found: dict[str, Json] = {}
    for setting in settings_of(kind):
        file, typed = visit.files.get(f"file-{setting.name}"), visit.text(f"set-{setting.name}", 10_000)
        if file is not None and setting.file:
            found[setting.name] = str(place_of(visit, file))
        elif typed and typed != setting.default:
            value = typed if setting.text else _value(typed)
            _check_path(visit, setting, value)
            found[setting.name] = value
    return found


def _value(typed: str) -> Any:
    """JSON where it is JSON, else the text."""
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        return typed


def _check_path(visit: Visit, setting: Setting, value: object) -> None:
    """Over the net, an organiser names files of the folder for challenges and no others, in lists neither."""
    if isinstance(value, (list, dict)):
        for each in value if isinstance(value, list) else [*value, *value.values()]:
            _check_path(visit, setting, each)
    if visit.desk.settings.local or not isinstance(value, str) or not ("/" in value or is_there(value)):
        return
    folder = visit.desk.settings.folder()
    if folder is None or "\0" in value or not Path(value).resolve().is_relative_to(folder):
        raise HostingError(f"{setting.name} in the folder for challenges", "it is elsewhere", "Hand the file in")


def place_of(visit: Visit, file: Any) -> Path:
    """Where a file of a challenge is kept; of a zip, the folder that was in it, or the one file."""
    path = kept(visit, file)
    return unpacked(path, visit.desk.settings.uploads, shown_name(file.filename or "")) if _zipped(path) else path


def _zipped(path: Path) -> bool:
    return path.suffix == ".zip"


def kept(visit: Visit, file: Any, ending: str = "") -> Path:
    """A file of a challenge, kept under its digest. Its name is the sender's, and never becomes a path.

    Raises:
        HostingError: its ending is none of data.
    """
    ending = ending or PurePosixPath(shown_name(file.filename or "")).suffix.lower()
    if ending not in ENDINGS:
        raise HostingError("a data file", f"its ending is {ending!r:.20}", f"Known are {', '.join(ENDINGS)}")
    with Intake(visit.desk.settings.uploads, "a file of a challenge") as intake:
        file.file.seek(0)
        while piece := file.file.read(PIECE):
            intake.add(piece)
        with intake.path().open("rb") as again:
            digest = hashlib.file_digest(again, "sha256").hexdigest()
        folder = visit.desk.host.ledger.folder / "challenges"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(visit.desk.host, folder)
        part = folder / f".{secrets.token_hex(8)}"
        shutil.copyfile(intake.path(), part)
    return part.replace(folder / f"{digest}{ending}")


def rename(error: GuerdonError, path: Path, file: Any) -> None:
    """Have an error call a file of a form as its sender does, and not by the digest under which it is kept."""
    name = shown_name(file.filename or "") or "the file"
    error.expected, error.got, error.do = (
        text.replace(str(path), name).replace(path.name, name) for text in (error.expected, error.got, error.do)
    )


def sweep(host: Host, folder: Path) -> None:
    """Let go of what was handed in more than a day ago and belongs to no challenge: what was refused or broke off.

    Not at once, since the same file may be handed in twice at a time, and one of the two be taken.
    """
    used = json.dumps(host.store.rows("SELECT ref, fields FROM hosting_contests"))
    for path in folder.iterdir():
        name = path.name.removeprefix(".").partition(".")[0]
        if name not in used and _older_than_a_day(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _older_than_a_day(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > DAY_S
    except FileNotFoundError:  # another process may sweep at the same time, or give a part its name
        return False


def unpacked(path: Path, most: int, where: str = "the zip") -> Path:
    """The folder that a zip of a challenge holds, unpacked beside it once; if it is one file, that file.

    Args:
        path: of the zip, which is called by its digest.
        most: bytes that may be sent; a folder may hold `WIDE` times that.
        where: what to call it in errors.

    Raises:
        FileProblemError: it is damaged, too large, or names a place outside the folder.
    """
    caps = ArchiveCaps(packed=most, entries=ENTRIES, entry=WIDE * most, total=WIDE * most)
    archive, target = read_zip(path, caps, where), path.with_suffix("")
    if not target.exists():
        _unpack(archive, target)
    names = list(archive)
    return target / names[0] if len(names) == 1 else target


def _unpack(archive: Archive, target: Path) -> None:
    """All of it or nothing: the folder has its name only when it is whole."""
    part = target.with_name(f".{secrets.token_hex(8)}")
    try:
        archive.unpack(part)
        if not target.exists():
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
