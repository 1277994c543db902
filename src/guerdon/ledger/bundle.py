"""A bundle: a ledger, or one run of it, as sorted canonical lines in a folder or a .zip.

    manifest.json    format, version, digest of each file
    runs.jsonl, tasks.jsonl, attempts.jsonl, verdicts.jsonl, choices.jsonl
    timings.jsonl    what differs between two equal histories (seconds, dates, versions, status); not in the digest
    blobs/<sha256>

Two ledgers with the same history give the same bytes, timings aside.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from guerdon.core.errors import LedgerError
from guerdon.core.plain import Blob, canonical
from guerdon.ledger import troubles
from guerdon.ledger.codec import blob_of, pack, unpack
from guerdon.ledger.ledger import Ledger

FORMAT, VERSION = "guerdon-bundle", 1
HISTORY = ("runs", "tasks", "attempts", "verdicts", "choices")
TIMINGS = "timings"

Query = Callable[..., list[Any]]
Lines = Iterator[str]
_PAGE = 2000


def bundle_digest(ledger: Ledger, run: str | None = None) -> str:
    """The identity of a history: equal for two ledgers that record the same, whatever the time it took."""
    with ledger.snapshot() as query:
        names = _names(query, ledger, run)
        files = {name: _told(lines) for name, lines in _history(query, names, run is None).items()}
    return _digest(files)


def export_bundle(ledger: Ledger, path: str | Path, run: str | None = None) -> str:
    """Write a bundle and return its digest.

    Args:
        ledger: where from.
        path: a new folder, or a new file that ends in .zip.
        run: one run; all by default.

    Raises:
        LedgerError: the path exists or cannot be written. Nothing is left behind.
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise LedgerError("a new path for the bundle", f"{path} exists", "Choose another, or remove it")
    try:
        with _target(path) as write, ledger.snapshot() as query:
            names = _names(query, ledger, run)
            files, blobs = {}, _Blobs()
            for name, lines in _history(query, names, run is None).items():
                with write(f"{name}.jsonl") as file:
                    files[name] = _told(blobs.watch(lines) if name == "attempts" else lines, file)
            with write(f"{TIMINGS}.jsonl") as file:
                _told(_timings(query, names), file)
            for blob in blobs.found.values():
                with write(f"blobs/{blob.digest}") as file:
                    file.write(ledger.blobs.get(blob))
            manifest = {**_manifest(files), "digest": _digest(files), "blobs": sorted(blobs.found)}
            with write("manifest.json") as file:
                file.write(canonical(manifest).encode("ascii") + b"\n")
    except OSError as error:
        raise troubles.of_system(error, str(path)) from error
    return str(manifest["digest"])


def _manifest(files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, "files": files}


def _digest(files: dict[str, dict[str, Any]]) -> str:
    return hashlib.sha256(canonical(_manifest(files)).encode("ascii")).hexdigest()


def digest_of(files: Any) -> str:
    """The digest that a manifest with these files must name."""
    return _digest(files)


def _told(lines: Lines, file: IO[bytes] | None = None) -> dict[str, Any]:
    """Digest and number of lines, written to a file if there is one."""
    sha, count = hashlib.sha256(), 0
    for count, line in enumerate(lines, 1):  # noqa: B007
        data = line.encode("ascii") + b"\n"
        sha.update(data)
        if file is not None:
            file.write(data)
    return {"sha256": sha.hexdigest(), "lines": count}


class _Blobs:
    """Notices the blobs in lines of attempts as they pass."""

    def __init__(self) -> None:
        self.found: dict[str, Blob] = {}

    def watch(self, lines: Lines) -> Lines:
        for line in lines:
            if line.startswith('{"blob":{'):
                blob = blob_of(json.loads(line)["blob"])
                self.found[blob.digest] = blob
            yield line


@contextlib.contextmanager
def _target(path: Path) -> Iterator[Callable[[str], contextlib.AbstractContextManager[IO[bytes]]]]:
    """A writer of named files that appear all at once, or not at all."""
    work = Path(tempfile.mkdtemp(prefix=f".{path.name[:50]}-", dir=path.parent))
    try:
        if path.suffix == ".zip":
            made = work / "bundle.zip"
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
                yield lambda name: archive.open(_entry(name), "w", force_zip64=True)
        else:
            made = work / "bundle"
            (made / "blobs").mkdir(parents=True)
            yield lambda name: (made / name).open("wb")
        made.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


# ── the lines ───────────────────────────────────────────────────────────────────────────────────────────────────


def _names(query: Query, ledger: Ledger, run: str | None) -> list[str]:
    if run is not None:
        return [pack(ledger.run(run).id)]
    return [row[0] for row in query("SELECT id FROM runs ORDER BY id")]


def _history(query: Query, names: list[str], everything: bool) -> dict[str, Lines]:
    return {
        "runs": _runs(query, names),
        "tasks": _tasks(query, names, everything),
        "attempts": _attempts(query, names),
        "verdicts": _verdicts(query, names),
        "choices": _choices(query, names),
    }


def _line(**fields: Any) -> str:
    return canonical(fields)


def _runs(query: Query, names: list[str]) -> Lines:
    columns = ("challenge", "split", "visibility", "solver", "judge")
    for name in names:
        sql = f"SELECT {', '.join(columns)}, seed, budget, recipe FROM runs WHERE id = ?"
        *texts, seed, budget, recipe = query(sql, [name])[0]
        told = dict(zip(columns, map(unpack, texts), strict=True))
        yield _line(id=unpack(name), seed=int(seed), budget=json.loads(budget), recipe=json.loads(recipe), **told)


def _tasks(query: Query, names: list[str], everything: bool) -> Lines:
    """All tasks; of one run, those that it attempted, so that other runs do not change its digest."""
    where = (
        ""
        if everything
        else (
            " WHERE challenge = (SELECT challenge FROM runs WHERE id = ?)"
            " AND id IN (SELECT task FROM attempts WHERE run = (SELECT seq FROM runs WHERE id = ?))"
        )
    )
    values = [] if everything else [*names, *names]
    sql = f"SELECT challenge, id, data FROM tasks{where} ORDER BY challenge, id, seq"
    for challenge, name, data in query(sql, values):
        yield _line(challenge=unpack(challenge), id=unpack(name), data=json.loads(data))


def _attempts(query: Query, names: list[str]) -> Lines:
    sql = (
        "SELECT a.step, a.place, a.seq, a.id, a.task, a.content, a.blob, a.parents, a.note FROM attempts a "
        "JOIN runs r ON r.seq = a.run WHERE r.id = ? AND (a.step, a.place, a.seq) > (?, ?, ?) "
        "ORDER BY a.step, a.place, a.seq LIMIT ?"
    )
    for run in names:
        for step, index, _, name, task, content, blob, parents, note in _pages(query, sql, run, 3):
            value = json.loads(content)
            yield _line(
                run=unpack(run),
                step=step,
                index=index,
                id=unpack(name),
                task=unpack(task),
                parents=json.loads(parents),
                note=json.loads(note),
                **{"blob" if blob else "content": value},
            )


_VERDICT_ROWS = (
    "SELECT a.step, a.place, a.seq, v.seq, a.id, v.id, {columns} FROM attempts a JOIN runs r ON r.seq = a.run "
    "JOIN verdicts v ON v.attempt = a.seq WHERE r.id = ? AND (a.step, a.place, a.seq, v.seq) > (?, ?, ?, ?) "
    "ORDER BY a.step, a.place, a.seq, v.seq LIMIT ?"
)


def _verdicts(query: Query, names: list[str]) -> Lines:
    columns = ("judge", "value", "fault", "whose", "score", "sandbox", "reason", "superseded")
    sql = _VERDICT_ROWS.format(columns=", ".join(f"v.{name}" for name in columns))
    for run in names:
        for row in _pages(query, sql, run, 4):
            judge, value, fault, whose, score, sandbox, reason, superseded = row[6:]
            yield _line(
                attempt=unpack(row[4]),
                id=unpack(row[5]),
                judge=unpack(judge),
                value=value,
                fault=fault,
                whose=whose,
                score=json.loads(score),
                sandbox=unpack(sandbox),
                reason=unpack(reason),
                superseded=bool(superseded),
            )


def _choices(query: Query, names: list[str]) -> Lines:
    sql = (
        "SELECT c.step, c.place, c.seq, c.id, c.task, c.left_id, c.right_id, c.outcome, c.choice, c.annotator "
        "FROM choices c JOIN runs r ON r.seq = c.run WHERE r.id = ? AND (c.step, c.place, c.seq) > (?, ?, ?) "
        "ORDER BY c.step, c.place, c.seq LIMIT ?"
    )
    for run in names:
        for step, index, _, name, task, left, right, outcome, choice, annotator in _pages(query, sql, run, 3):
            yield _line(
                run=unpack(run),
                step=step,
                index=index,
                id=unpack(name),
                task=unpack(task),
                left=unpack(left),
                right=unpack(right),
                outcome=None if outcome is None else unpack(outcome),
                choice=json.loads(choice),
                annotator=unpack(annotator),
            )


def _timings(query: Query, names: list[str]) -> Lines:
    """Runs, then steps, then verdicts in the order of verdicts.jsonl."""
    for run in names:
        versions, created, status = query("SELECT versions, created, status FROM runs WHERE id = ?", [run])[0]
        yield _line(run=unpack(run), versions=json.loads(versions), created=created, status=unpack(status))
    columns = ("step", "seconds", "tokens", "sandbox_seconds", "frames", "checkpoint", "note")
    steps = f"SELECT {', '.join(columns)} FROM steps WHERE run = (SELECT seq FROM runs WHERE id = ?) ORDER BY step"
    for run in names:
        for row in query(steps, [run]):
            told = dict(zip(columns, row, strict=True))
            checkpoint = None if told["checkpoint"] is None else unpack(told["checkpoint"])
            yield _line(of=unpack(run), **{**told, "checkpoint": checkpoint, "note": json.loads(told["note"])})
    verdicts = _VERDICT_ROWS.format(columns="v.seconds, v.created")
    for run in names:
        for row in _pages(query, verdicts, run, 4):
            yield _line(seconds=row[6], created=row[7])


def _pages(query: Query, sql: str, run: str, width: int) -> Iterator[Any]:
    """Rows of a query whose first columns are its order, page by page."""
    after: tuple[int, ...] = (-1, *[0] * (width - 1))
    while True:
        found = query(sql, [run, *after, _PAGE])
        yield from found
        if len(found) < _PAGE:
            return
        after = tuple(found[-1][:width])
