"""Preference data in files: JSON lines (also gzipped), JSON lists and parquet, read strictly and written whole.

Nothing is lost in silence: what could not be used is listed with its line, field and reason.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.prefer.formats import FORMATS, Format, Rated, Record, UnusableError, paired
from guerdon.prefer.sets import FIRST, TIE, UNKNOWN, Column, PreferenceSet, Text, key_of


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was not taken or not written: its line (or row, from 1), the field, and why."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True)
class Imported:
    """What a file held.

    Args:
        rows: as a set.
        format: its shape.
        read: how many rows the file has.
        dropped: those that gave nothing.
    """

    rows: PreferenceSet
    format: str
    read: int
    dropped: tuple[Dropped, ...]

    def reasons(self) -> Counter[str]:
        """How many rows were dropped for which reason."""
        return Counter(f"{each.field} {each.reason}" for each in self.dropped)


def read(path: str | Path, format: str = "auto", *, score: str = "", strict: bool = True) -> Imported:  # noqa: A002
    """Read a `.jsonl`, `.jsonl.gz`, `.json` (a list) or `.parquet` file.

    Args:
        path: the file.
        format: a name of `guerdon.prefer.formats.FORMATS`; "auto" tells it from the first row.
        score: the score by which responses are paired ("helpsteer", "ultrafeedback"); the format's own by default.
        strict: refuse the file at the first malformed row, rather than dropping such rows. Rows that are well formed
            but of no use (equal responses, different histories) are dropped either way.

    Raises:
        ConfigError: the file or a row is malformed, named with line and field, or the format is not known.
    """
    path = Path(path)
    lines: Iterator[Any] = _json_rows(path)
    if path.suffix in (".parquet", ".json"):
        lines = _parquet_rows(path) if path.suffix == ".parquet" else _json_list(path)
    return read_rows(lines, format, score=score, strict=strict, source=path.name)


def rows_of(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file as they are, with their lines (or numbers, from 1); blank lines are passed over.

    Args:
        path: see `read`.

    Raises:
        ConfigError: the file cannot be read, or a row is no object.
    """
    path = Path(path)
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _json_list(path)
    for line, row in enumerate(rows if path.suffix in (".parquet", ".json") else _json_rows(path), 1):
        try:
            made = row() if callable(row) else row
        except UnusableError as error:
            if error.broken:
                got = f"{error.field} {error.reason}"
                raise ConfigError(f"{path.name}, line {line}: an object", got, "Correct the line") from None
            continue
        if not isinstance(made, dict):
            got = f"got a {type(made).__name__}"
            raise ConfigError(f"{path.name}, line {line}: an object", got, "Correct the line")
        yield line, made


def read_rows(
    rows: Iterable[Any],
    format: str = "auto",  # noqa: A002
    *,
    score: str = "",
    strict: bool = True,
    source: str = "row",
) -> Imported:
    """The same from rows that are in memory (a `datasets.Dataset`, a list of mappings).

    Args:
        rows: mappings; or (for a file) functions that give one or raise `UnusableError`.
        format: see `read`.
        score: see `read`.
        strict: see `read`.
        source: named in errors.
    """
    reader = _Reader(source, strict, score, None if format == "auto" else _format(format))
    count = 0
    for row in rows:
        count += 1
        reader.take(count, row)
    found = reader.finish()
    return Imported(_as_set(found), reader.format.name if reader.format else format, count, tuple(reader.dropped))


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ConfigError("the name of a format", f"got {name!r}", did_you_mean(name, FORMATS))
    return FORMATS[name]


class _Reader:
    """Takes rows one by one, and keeps what was dropped."""

    def __init__(self, source: str, strict: bool, score: str, format: Format | None) -> None:  # noqa: A002
        self.source, self.strict, self.score, self.format = source, strict, score, format
        self.dropped: list[Dropped] = []
        self._records: list[Record] = []
        self._rated: dict[str, list[tuple[int, Rated]]] = {}

    def take(self, line: int, row: Any) -> None:
        try:
            row = row() if callable(row) else row
            if not isinstance(row, dict):
                raise UnusableError("row", f"is a {type(row).__name__}, not an object")
            self.format = self.format or self._guess(line, row)
            for one in self.format.read(row, self.score or self.format.score):
                if isinstance(one, Rated):
                    self._rated.setdefault(key_of(one.prompt), []).append((line, one))
                else:
                    self._records.append(one)
        except UnusableError as error:
            if error.broken and self.strict:
                raise ConfigError(
                    f"{self.source}, line {line}: a usable {error.field}",
                    f"{error.field} {error.reason}",
                    "Correct the line, or read with strict=False and look at what was dropped",
                ) from None
            self.dropped.append(Dropped(line, error.field, error.reason))

    def _guess(self, line: int, row: dict[str, Any]) -> Format:
        for each in FORMATS.values():
            if each.fits(row):
                return each
        raise ConfigError(
            f"{self.source}, line {line}: a row of a known shape ({', '.join(FORMATS)})",
            f"got the fields {', '.join(map(str, row))[:200] or 'none'}",
            "Name the format, or rename the fields",
        )

    def finish(self) -> list[Record]:
        for group in self._rated.values():
            found = paired([one for _, one in group])
            self._records += found
            used = {key_of(side) for one in found for side in (one.first, one.second)}
            seen: set[str] = set()
            for line, one in group:
                key = key_of(one.response)
                if key not in used:
                    self.dropped.append(Dropped(line, "prompt", "has no other response to pair with"))
                elif key in seen:
                    self.dropped.append(Dropped(line, "response", "is there twice; both are paired with the others"))
                seen.add(key)
        self.dropped.sort(key=lambda each: each.line)
        return self._records


def _as_set(found: Sequence[Record]) -> PreferenceSet:
    names = dict.fromkeys(name for one in found for name in one.columns)
    columns = {name: _column([one.columns.get(name) for one in found]) for name in names}
    for name in ("prompt", "first", "second", "choice", "margin", "weight", "annotator", "fault"):
        if name in columns:
            columns[f"{name}_"] = columns.pop(name)
    return PreferenceSet.of(
        [one.prompt for one in found],
        [one.first for one in found],
        [one.second for one in found],
        np.array([one.choice for one in found], np.int8),
        margin=[one.margin for one in found],
        weight=[one.weight for one in found],
        annotator=[one.annotator for one in found],
        fault=[one.fault for one in found],
        columns=columns,
    )


def _column(values: list[Any]) -> Column:
    """An array where all are numbers of one kind, else the list."""
    kinds = set(map(type, values))
    if kinds == {int} and all(-(2**62) < value < 2**62 for value in values):
        return np.array(values, np.int64)
    if kinds == {float}:
        return np.array(values, float)
    return values


# ---- JSON lines ------------------------------------------------------------------------------------------------------


def _json_list(path: Path) -> Iterator[Any]:
    """The items of a JSON list; the whole file is read."""
    try:
        found = _parsed(b"".join(_lines(path)))
    except UnusableError as error:
        raise ConfigError("a JSON list", f"{path.name} {error.reason}", "Correct the file") from None
    if not isinstance(found, list):
        raise ConfigError(
            "a JSON list", f"{path.name} holds a {type(found).__name__}", "Name it .jsonl if it has lines"
        )
    yield from found


def _lines(path: Path) -> Iterator[bytes]:
    """Lines as bytes, without a byte order mark."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream):
                yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(
            "a readable file", f"{path.name}: {str(error)[:100]}", "Check the path and the file"
        ) from None


def _json_rows(path: Path) -> Iterator[Callable[[], Any]]:
    for line in _lines(path):
        yield partial(_parsed, line) if line.strip() else _blank


def _blank() -> Any:
    raise UnusableError("row", "is empty", broken=False)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refused)
    except UnicodeDecodeError:
        raise UnusableError("row", "is not UTF-8 text") from None
    except RecursionError:
        raise UnusableError("row", "is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnusableError("row", f"is not JSON at character {error.pos + 1} ({error.msg})") from None
    except ValueError as error:
        raise UnusableError("row", f"is not JSON ({str(error)[:80]})") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise UnusableError(name[:40], "is there twice")
    return found


def _refused(name: str) -> Any:
    raise UnusableError("row", f"holds {name}, which is not JSON")


# ---- parquet ---------------------------------------------------------------------------------------------------------


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(
            "parquet files need pyarrow", "it is not installed", 'Run pip install "guerdon[parquet]"'
        ) from None
    return pyarrow


def _parquet_rows(path: Path) -> Iterator[Any]:
    arrow = _arrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                yield from batch.to_pylist()
    except (OSError, ValueError, OverflowError, arrow.ArrowException) as error:  # texts that are none among them
        raise ConfigError("a readable parquet file", f"{path.name}: {str(error)[:120]}", "Write it again") from None


# ---- writing ---------------------------------------------------------------------------------------------------------

Written = Literal["guerdon", "trl", "trl-implicit", "alpaca-farm"]
WRITTEN: tuple[Written, ...] = ("guerdon", "trl", "trl-implicit", "alpaca-farm")


def export(
    rows: PreferenceSet,
    format: Written = "guerdon",  # noqa: A002
    *,
    columns: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], tuple[Dropped, ...]]:
    """Rows in a published shape, and what could not be said in it.

    Args:
        rows: the set.
        format: "guerdon" (all of it), "trl" (prompt, chosen, rejected; conversational where the prompt is messages),
            "trl-implicit" (the prompt is the beginning of both sides), or "alpaca-farm".
        columns: further columns to write as well; "guerdon" writes all.

    A `margin` is written for TRL where every row that is written has one.

    Raises:
        ConfigError: the format or a column is not known.
    """
    if format not in WRITTEN:
        raise ConfigError("the name of a format to write", f"got {format!r}", did_you_mean(format, WRITTEN))
    missing = next((name for name in columns if name not in rows.columns), None)
    if missing is not None:
        raise ConfigError("columns of the set", f"there is no {missing!r}", did_you_mean(missing, rows.columns))
    if format == "guerdon":
        return list(rows.rows()), ()
    made: list[dict[str, Any]] = []
    dropped: list[Dropped] = []
    with_margin = format != "alpaca-farm" and not np.isnan(rows.margin[rows.decided]).any()
    for k in range(len(rows)):
        code = int(rows.choice[k])
        if code == UNKNOWN or (code == TIE and format != "alpaca-farm"):
            dropped.append(Dropped(k + 1, "choice", "is a tie" if code == TIE else f"is unknown: {rows.fault[k]}"))
            continue
        try:
            one = _alpaca_row(rows, k) if format == "alpaca-farm" else _trl_row(rows, k, format == "trl-implicit")
        except UnusableError as error:
            dropped.append(Dropped(k + 1, error.field, error.reason))
            continue
        if with_margin:
            one["margin"] = float(rows.margin[k])
        row = rows.row(k) if columns else {}
        made.append(one | {name: row[name] for name in columns})
    return made, tuple(dropped)


def _trl_row(rows: PreferenceSet, k: int, implicit: bool) -> dict[str, Any]:
    sides = (rows.first[k], rows.second[k]) if rows.choice[k] == FIRST else (rows.second[k], rows.first[k])
    prompt: Any = rows.prompt[k]
    if not all(isinstance(each, str) for each in (prompt, *sides)):
        prompt = _messages(prompt, "user")
        sides = (_messages(sides[0], "assistant"), _messages(sides[1], "assistant"))
    chosen, rejected = sides
    if implicit:
        return {"chosen": prompt + chosen, "rejected": prompt + rejected}
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _messages(text: Text, role: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": text}] if isinstance(text, str) else text


def _alpaca_row(rows: PreferenceSet, k: int) -> dict[str, Any]:
    for name in ("prompt", "first", "second"):
        if not isinstance(getattr(rows, name)[k], str):
            raise UnusableError(name, "is a conversation")
    instruction, extra = (rows.columns[n][k] if n in rows.columns else None for n in ("instruction", "input"))
    if instruction is None:
        instruction, extra = rows.prompt[k], ""
    told = {FIRST: 1, TIE: 1.5}.get(int(rows.choice[k]), 2)
    return {
        "instruction": instruction,
        "input": extra or "",
        "output_1": rows.first[k],
        "output_2": rows.second[k],
        "annotator": rows.annotator[k],
        "preference": told,
    }


def write(
    rows: PreferenceSet,
    path: str | Path,
    format: Written = "guerdon",  # noqa: A002
    *,
    columns: Sequence[str] = (),
) -> tuple[Dropped, ...]:
    """Write a `.jsonl` or `.parquet` file, all of it or none; returns what could not be said.

    Args:
        rows: the set.
        path: the file; it is replaced when the new one is complete.
        format: see `export`.
        columns: see `export`.

    Raises:
        ConfigError: as in `export`; or for parquet, texts and conversations mixed in one column.
    """
    path = Path(path)
    made, dropped = export(rows, format, columns=columns)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        if path.suffix == ".parquet":
            _write_parquet(made, part)
        else:
            with Path(part).open("w", encoding="utf-8", errors="replace") as stream:  # halves of letters
                for row in made:
                    stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        Path(part).replace(path)
    finally:
        Path(part).unlink(missing_ok=True)
    return dropped


def _write_parquet(made: list[dict[str, Any]], part: str) -> None:
    arrow = _arrow()
    try:
        arrow.parquet.write_table(arrow.Table.from_pylist(made), part)
    except (arrow.ArrowException, TypeError) as error:
        raise ConfigError(
            "columns of one kind each for parquet", str(error)[:120], "Write .jsonl, or make all prompts messages"
        ) from None


def margins_from(rows: PreferenceSet, name: str, scale: float = 1.0, cap: float = math.inf) -> PreferenceSet:
    """The set with margins from a column, such as `mean preference difference` of a strength-annotated set.

    Args:
        rows: the set.
        name: a column about chosen minus rejected.
        scale: multiplies it; strengths are best small (arXiv 2401.06080).
        cap: of the absolute value.
    """
    if name not in rows.columns:
        raise ConfigError("a column of the set", f"there is no {name!r}", did_you_mean(name, rows.columns))
    values = np.array([math.nan if value is None else value for value in rows.columns[name]], float)
    return replace(rows, margin=np.clip(scale * values, -cap, cap))
