"""Data leaves, and comes back, in open formats: bundles, JSON lines, TRL's shapes, Parquet."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

from guerdon.core.errors import LedgerError, did_you_mean
from guerdon.core.plain import Blob, canonical
from guerdon.ledger import troubles
from guerdon.ledger.bundle import bundle_digest, export_bundle
from guerdon.ledger.ledger import Ledger
from guerdon.ledger.training import preferences, training_set
from guerdon.ledger.unbundle import import_bundle

__all__ = ["bundle_digest", "export_bundle", "import_bundle", "to_jsonl", "to_parquet"]

Format = Literal["trl", "attempts"]


def to_jsonl(
    ledger: Ledger,
    path: str | Path,
    run: str | None = None,
    format: Format = "trl",  # noqa: A002
    *,
    reveal: bool = False,
) -> int:
    """Write JSON lines and return how many.

    Args:
        ledger: where from.
        path: the file; an older one is replaced once the new one is whole.
        run: one run; all by default.
        format: "trl": prompt, chosen and rejected where choices are recorded, else prompt, completion and reward;
            "attempts": every attempt with its verdict.
        reveal: also training data from sealed splits.

    Raises:
        LedgerError: there is no such run or format, or the file cannot be written.
    """
    if format not in ("trl", "attempts"):
        raise LedgerError("a format of lines", f"got {format!r}", did_you_mean(format, ("trl", "attempts")))
    count = 0
    with _replaced(Path(path)) as file:
        rows: Iterable[Any] = _attempt_lines(ledger, run) if format == "attempts" else _trl(ledger, run, reveal)
        for count, row in enumerate(rows, 1):  # noqa: B007
            file.write(canonical(row).encode("ascii") + b"\n")
    return count


def to_parquet(ledger: Ledger, path: str | Path, run: str | None = None) -> int:
    """Write every attempt with its verdict as a Parquet file and return how many. Nested data are JSON text.

    Raises:
        LedgerError: pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise LedgerError(
            "a writer of Parquet files", "pyarrow is not installed", 'Run: pip install "guerdon[parquet]"'
        ) from None
    text, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    shape = arrow.schema(
        [(name, text) for name in ("attempt", "run", "task", "content", "parents", "note", "judge", "fault", "whose")]
        + [("step", whole), ("index", whole), ("score", real), ("parts", text), ("seconds", real), ("reason", text)]
    )
    count = 0
    with _replaced(Path(path)) as file, parquet.ParquetWriter(file, shape) as writer:
        for rows in _chunks(_attempt_lines(ledger, run), 5000):
            columns = {name: [_cell(row[name], shape.field(name).type == text) for row in rows] for name in shape.names}
            writer.write_table(arrow.table(columns, schema=shape))
            count += len(rows)
    return count


def _cell(value: Any, text: bool) -> Any:
    if text and value is not None and not isinstance(value, str):
        return canonical(value)
    if text and isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def _chunks(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _trl(ledger: Ledger, run: str | None, reveal: bool) -> list[Any]:
    pairs: list[Any] = list(preferences(ledger, run, reveal=reveal))
    return pairs or list(training_set(ledger, run, reveal=reveal))


def _attempt_lines(ledger: Ledger, run: str | None) -> Iterator[dict[str, Any]]:
    runs = [row.id for row in ledger.runs()] if run is None else [ledger.run(run).id]
    for name in runs:
        for attempt, verdict in ledger.each_judged(name):
            answer, score = attempt.answer, verdict.score if verdict else None
            fault = score.fault if score else None
            yield {
                "attempt": attempt.id,
                "run": attempt.run,
                "step": attempt.step,
                "index": attempt.index,
                "task": answer.task,
                "content": answer.content.plain() if isinstance(answer.content, Blob) else answer.content,
                "parents": list(answer.parents),
                "note": answer.note,
                "judge": verdict.judge if verdict else None,
                "score": score.value if score else None,
                "parts": dict(score.parts) if score else {},
                "fault": fault.kind.value if fault else None,
                "whose": fault.whose if fault else None,
                "reason": verdict.reason if verdict else None,
                "seconds": verdict.seconds if verdict else None,
            }


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the path's place when it is whole."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:50]}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise troubles.of_system(error, str(path)) from error
