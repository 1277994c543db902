"""Take a bundle in, all of it or nothing. What comes from outside is checked before it is believed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, get_args

from sqlalchemy import Connection

from guerdon.core.challenge import Visibility
from guerdon.core.errors import GuerdonError, LedgerError
from guerdon.core.preference import Outcome
from guerdon.core.score import Score, Whose
from guerdon.core.task import Answer, Task
from guerdon.ledger import codec, troubles
from guerdon.ledger.bundle import FORMAT, HISTORY, TIMINGS, VERSION, digest_of
from guerdon.ledger.ledger import Ledger
from guerdon.ledger.rows import AttemptRow, ChoiceRow, RunRow, StepRow, VerdictRow

LARGEST_LINE = 1 << 28
LARGEST_MANIFEST = 1 << 26
MOST_BYTES = 1 << 36
MOST_RATIO = 300
MOST_SWOLLEN = 1 << 29
"""Deflate can reach 1,000. Honest data seldom passes 300, and then not by the half gigabyte."""

_NAMES = {f"{name}.jsonl" for name in (*HISTORY, TIMINGS)} | {"manifest.json", "blobs/"}
_BLOB = re.compile(r"blobs/[0-9a-f]{64}", re.ASCII)
_BATCH = 500

Opener = Callable[[str], contextlib.AbstractContextManager[IO[bytes]]]
Add = Callable[[Connection, list[Any]], None]


def refuse(expected: str, got: str, do: str = "Ask for the bundle again") -> LedgerError:
    """A bundle that is not taken in."""
    return LedgerError(expected, got, f"{do}; nothing was imported")


def import_bundle(ledger: Ledger, path: str | Path) -> None:
    """Add the runs of a bundle. Importing it again changes nothing.

    Args:
        ledger: where to.
        path: a folder or a .zip written by `export_bundle`.

    Raises:
        LedgerError: damaged, hostile, made by a newer guerdon, or at odds with what is recorded.
    """
    path = Path(path)
    try:
        with _opened(path) as source:
            manifest = _manifest(source)
            for digest in manifest["blobs"]:
                _take_blob(ledger, source, digest)
            ledger.transaction(lambda connection: _Reading(ledger, source, manifest, connection).all())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise refuse("a whole .zip", f"{path}: {error}") from error
    except OSError as error:
        raise troubles.of_system(error, str(path)) from error


# ── the container ───────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Opener]:
    if path.is_dir():
        yield lambda name: _plain_file(path, name)
    elif path.is_file():
        with zipfile.ZipFile(path) as archive:
            _check_archive(archive)
            yield lambda name: _member(archive, name)
    else:
        raise refuse("a bundle is a folder or a .zip", f"there is no {path}", "Check the path")


def _plain_file(folder: Path, name: str) -> IO[bytes]:
    path = folder / name
    if not path.exists() and not path.is_symlink():
        raise refuse(f"a bundle with {name}", f"{folder} has none")
    if (folder / "blobs").is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
        raise refuse("plain files in a bundle", f"{path} is a link or a device", "Do not trust this bundle")
    return path.open("rb")


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(name)
    except KeyError:
        raise refuse(f"a bundle with {name}", "it is missing") from None


def _check_archive(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    seen: set[str] = set()
    for entry in entries:
        name = entry.orig_filename  # before zipfile has cut it at a NUL or turned its slashes
        if name not in _NAMES and not _BLOB.fullmatch(name):
            raise refuse("known names in a bundle", f"{name[:200]!r}", "Do not trust this bundle")
        if name in seen:
            raise refuse("each name once in a bundle", f"{name!r} comes twice", "Do not trust this bundle")
        seen.add(name)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or entry.flag_bits & 1:
            raise refuse("plain files in a bundle", f"{name!r} is a link or is encrypted", "Do not trust this bundle")
    swollen = [entry.file_size for entry in entries if entry.file_size > MOST_RATIO * max(entry.compress_size, 1)]
    if sum(swollen) > MOST_SWOLLEN:
        raise refuse(
            "a bundle that does not explode",
            f"{sum(swollen) >> 20} MiB in it shrank more than {MOST_RATIO}-fold",
            "Unpack it yourself, look at it, and import the folder",
        )
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise refuse("a bundle below 64 GiB", "it is larger", "Export fewer runs")


def _manifest(source: Opener) -> dict[str, Any]:
    with source("manifest.json") as file:
        text = file.read(LARGEST_MANIFEST + 1)
    try:
        manifest = json.loads(text) if len(text) <= LARGEST_MANIFEST else None
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise refuse("a bundle of guerdon", "manifest.json is not one", "Export it again with guerdon export")
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise refuse(f"a bundle of version {VERSION}", f"got {str(version)[:20]}", "Upgrade: pip install -U guerdon")
    files, blobs = manifest.get("files"), manifest.get("blobs")
    named = isinstance(files, dict) and set(files) == set(HISTORY) and all(isinstance(f, dict) for f in files.values())
    if not named or not isinstance(blobs, list) or manifest.get("digest") != digest_of(files):
        raise refuse("a manifest that agrees with its digest", "manifest.json does not")
    return manifest


def _take_blob(ledger: Ledger, source: Opener, digest: Any) -> None:
    if not isinstance(digest, str) or not _BLOB.fullmatch(f"blobs/{digest}"):
        raise refuse("digests of blobs", f"manifest.json has {str(digest)[:80]!r}")
    with source(f"blobs/{digest}") as file:
        found = ledger.blobs.take(file, digest)
    if not found:
        raise refuse("a blob that is what its name says", f"blobs/{digest} is not")


# ── the rows ────────────────────────────────────────────────────────────────────────────────────────────────────


class _Reading:
    """One pass over a bundle, inside one transaction; a digest that does not fit at the end undoes it."""

    def __init__(self, ledger: Ledger, source: Opener, manifest: dict[str, Any], connection: Connection) -> None:
        self._ledger, self._source, self._connection = ledger, source, connection
        self._files = manifest["files"]

    def all(self) -> None:
        """Runs and tasks, attempts, verdicts, choices and steps, in the order in which they need each other."""
        with self._source(f"{TIMINGS}.jsonl") as file:
            timings = _Timings(file)
            self._each("runs", lambda told: timings.run(told), self._begin)
            self._each("tasks", _task, self._ledger.adding.tasks)
            self._each("attempts", _attempt, self._ledger.adding.attempts)
            timings.steps(lambda rows: self._ledger.adding.steps(self._connection, rows))
            self._each("verdicts", lambda told: timings.verdict(told), self._ledger.adding.verdicts)
            self._each("choices", _choice, self._ledger.adding.choices)
            timings.end()

    def _begin(self, connection: Connection, rows: list[RunRow]) -> None:
        for row in rows:
            self._ledger.adding.run(connection, row)

    def _each(self, name: str, read: Callable[[dict[str, Any]], Any], add: Add) -> None:
        expected = self._files[name]
        sha, count, rows = hashlib.sha256(), 0, []
        with self._source(f"{name}.jsonl") as file:
            for count, (line, told) in enumerate(_lines(file, f"{name}.jsonl"), 1):
                sha.update(line)
                rows.append(_row(f"{name}.jsonl line {count}", read, told))
                if len(rows) >= _BATCH:
                    self._add(name, count, add, rows)
                    rows = []
        if rows:
            self._add(name, count, add, rows)
        if sha.hexdigest() != expected.get("sha256") or count != expected.get("lines"):
            raise refuse("a bundle that agrees with its manifest", f"{name}.jsonl was changed or cut off")

    def _add(self, name: str, count: int, add: Add, rows: list[Any]) -> None:
        try:
            add(self._connection, rows)
        except LedgerError as error:
            place = f"{name}.jsonl, lines {count - len(rows) + 1} to {count}"
            raise refuse(error.expected, f"{place}: {error.got}", error.do) from error


def _lines(file: IO[bytes], name: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    count = 0
    while line := file.readline(LARGEST_LINE):
        count += 1
        try:
            told = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise refuse("a JSON object per line", f"{name} line {count} is none, or is cut off")
        yield line, told


def _row(place: str, read: Callable[[dict[str, Any]], Any], told: dict[str, Any]) -> Any:
    try:
        return read(told)
    except GuerdonError as error:
        raise refuse("rows that guerdon writes", f"{place}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise refuse("rows that guerdon writes", f"{place}: {type(error).__name__} {str(error)[:100]}") from error


class _Timings:
    """Reads timings.jsonl beside the other files, since it is in their order."""

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = (told for _, told in _lines(file, f"{TIMINGS}.jsonl"))
        self._next: dict[str, Any] | None = None

    def _take(self) -> dict[str, Any]:
        told, self._next = self._next, None
        told = next(self._lines, None) if told is None else told
        if told is None:
            raise refuse("timings for every row", f"{TIMINGS}.jsonl is cut off")
        return told

    def run(self, told: dict[str, Any]) -> RunRow:
        """A run with its own line."""
        extra = self._take()
        if extra["run"] != told["id"]:
            raise refuse("timings in the order of the runs", f"{TIMINGS}.jsonl has another run")
        known = {name: _text(told, name) for name in ("id", "challenge", "split", "visibility", "solver", "judge")}
        return RunRow(
            **{**known, "visibility": Visibility(known["visibility"]).value},
            seed=_whole(told, "seed"),
            budget=dict(told["budget"]),
            recipe=dict(told["recipe"]),
            versions=dict(extra["versions"]),
            created=float(extra["created"]),
            status=extra["status"],
        )

    def steps(self, add: Callable[[list[StepRow]], None]) -> None:
        """All steps."""
        while (told := next(self._lines, None)) is not None and "of" in told:
            add([_row(f"{TIMINGS}.jsonl", _step, told)])
        self._next = told

    def verdict(self, told: dict[str, Any]) -> VerdictRow:
        """A verdict with its own line."""
        extra = self._take()
        return VerdictRow(
            _text(told, "id"),
            _text(told, "attempt"),
            _text(told, "judge"),
            _score(told),
            _text(told, "sandbox"),
            float(extra["seconds"]),
            _text(told, "reason"),
            told["superseded"] is True,
            float(extra["created"]),
        )

    def end(self) -> None:
        """Nothing may be left."""
        if self._next is not None or next(self._lines, None) is not None:
            raise refuse("timings of the rows in the bundle", f"{TIMINGS}.jsonl has more lines")


def _text(told: dict[str, Any], name: str) -> str:
    value = told[name]
    if type(value) is not str:
        raise TypeError(f"{name} is not text")
    return value


def _whole(told: dict[str, Any], name: str) -> int:
    value = told[name]
    if type(value) is not int:
        raise TypeError(f"{name} is not a whole number")
    return value


def _task(told: dict[str, Any]) -> tuple[str, Task]:
    return _text(told, "challenge"), Task(_text(told, "id"), dict(told["data"]))


def _attempt(told: dict[str, Any]) -> AttemptRow:
    content = told["content"] if "blob" not in told else codec.blob_of(told["blob"])
    parents = tuple(told["parents"])
    if not all(type(parent) is str for parent in parents):
        raise TypeError("parents are not text")
    answer = Answer(_text(told, "task"), content, parents, dict(told["note"]))
    return AttemptRow(_text(told, "id"), _text(told, "run"), _whole(told, "step"), _whole(told, "index"), answer)


def _step(told: dict[str, Any]) -> StepRow:
    checkpoint = None if told["checkpoint"] is None else _text(told, "checkpoint")
    tokens, frames = _whole(told, "tokens"), _whole(told, "frames")
    seconds, sandbox = float(told["seconds"]), float(told["sandbox_seconds"])
    return StepRow(_text(told, "of"), _whole(told, "step"), seconds, tokens, sandbox, frames, checkpoint, told["note"])


def _score(told: dict[str, Any]) -> Score:
    document, whose = told["score"], told["whose"]
    numbers = [*document.get("parts", {}).values(), *(document.get("tokens") or ()), document.get("spread", 0.0)]
    if not all(type(number) in (int, float) for number in numbers) or type(document.get("detail", "")) is not str:
        raise TypeError("parts, tokens and spread are not numbers")
    if whose not in (None, *get_args(Whose)):
        raise ValueError(f"whose is {whose!r:.40}")
    return codec.score_of(told["value"], told["fault"], whose, document)


def _choice(told: dict[str, Any]) -> ChoiceRow:
    if told["outcome"] not in (None, *get_args(Outcome)):
        raise ValueError(f"outcome is {told['outcome']!r:.40}")
    choice = codec.choice_of(told["outcome"], told["choice"])
    place = (_text(told, "id"), _text(told, "run"), _whole(told, "step"), _whole(told, "index"))
    sides = (_text(told, "task"), _text(told, "left"), _text(told, "right"))
    return ChoiceRow(*place, *sides, choice, _text(told, "annotator"))
