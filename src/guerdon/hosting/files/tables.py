"""CSV, read with the line and column of every mistake, and written so that no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guerdon.hosting.files.documents import MEND, text_of
from guerdon.hosting.files.problems import FileProblemError, FileTooLargeError, quoted

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula."""
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([,.' \u00a0\u202f][0-9]{3})+([.,][0-9]+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCaps:
    """What a table may hold."""

    size: int = 256 << 20
    """Bytes."""
    rows: int = 5_000_000
    """Rows below the header."""
    columns: int = 2_000
    """Columns."""
    line: int = 1 << 20
    """Characters of one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Args:
        columns: their names.
        rows: each with a cell for each column.
        lines: where each row stands in the file.
        where: what the file is called in errors.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    where: str = "the table"

    def column(self, name: str) -> list[str]:
        """The cells of one column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def numbers(self, name: str) -> list[float]:
        """The cells of one column as finite numbers.

        Raises:
            FileProblemError: with the line of the first that is none, and what it looks like.
        """
        return [self._number(cell, line, name) for cell, line in zip(self.column(name), self.lines, strict=True)]

    def _number(self, cell: str, line: int, name: str) -> float:
        text = cell.strip(" ")
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if math.isfinite(value):
            return value
        got = f"line {line}, column {quoted(name)}: {quoted(cell)}{_looks_like(text)}"
        raise FileProblemError(f"{self.where} holds finite numbers", got, MEND)


def _looks_like(cell: str) -> str:
    if not cell:
        return " is empty"
    if _NUMBER.fullmatch(cell):
        return " is more than a number can be"
    if _GROUPED.fullmatch(cell):
        return " has separators of thousands"
    if _DECIMAL_COMMA.fullmatch(cell):
        return " has a decimal comma"
    return " is a formula" if cell.startswith(FORMULA) else " is not a number"


def read_table(
    source: bytes | Path,
    columns: Sequence[str] | None = None,
    id_column: str | None = None,
    ids: Sequence[str] | None = None,
    caps: TableCaps | None = None,
    where: str = "the table",
) -> Table:
    r"""Read a CSV table with a header.

    Args:
        source: a file, or its bytes.
        columns: those that it must have, in any order; they come back in this one. By default, those it has.
        id_column: whose cells must differ from row to row.
        ids: those that it must have, in any order; rows come back in this one.
        caps: what it may hold.
        where: what to call it in errors.

    Raises:
        FileProblemError: with the line and what is wrong: no header, another separator, broken quotes, cells missing
            or left over, columns or ids missing, unknown or twice.
        FileTooLargeError: it is over a cap.

    >>> read_table(b"y,id\n1,b\n0,a\n", ["id", "y"], "id", ["a", "b"]).rows
    [['a', '0'], ['b', '1']]
    """
    caps = caps or TableCaps()
    text = text_of(source, caps.size, where, mark=True)
    lines = csv.reader(_lines(text, caps, where), strict=True)
    header = _header(lines, text, columns, caps, where)
    rows, numbers = _rows(lines, header, caps, where)
    if columns is not None and list(columns) != header:
        order = [header.index(name) for name in columns]
        rows, header = [[row[place] for place in order] for row in rows], list(columns)
    if id_column is not None:
        if id_column not in header:
            raise FileProblemError(f"{where} has a column {quoted(id_column)}", _names(header), "Add it")
        rows, numbers = _by_id(rows, numbers, header.index(id_column), ids, where)
    return Table(tuple(header), rows, numbers, where)


def _lines(text: str, caps: TableCaps, where: str) -> Iterator[str]:
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if len(line) > caps.line:
            got = f"line {number} has {len(line):,}"
            raise FileTooLargeError(f"lines of at most {caps.line:,} characters in {where}", got, "Split it")
        if "\0" in line:
            raise FileProblemError(f"{where} is text", f"line {number} holds a NUL", MEND)
        yield line


def _names(header: Sequence[str]) -> str:
    told = ", ".join(quoted(name, 30) for name in header[:8])
    return f"line 1 has {told}{', …' if len(header) > 8 else ''}" if header else "line 1 is empty"


def _header(
    lines: Iterator[list[str]], text: str, columns: Sequence[str] | None, caps: TableCaps, where: str
) -> list[str]:
    try:
        header = next(lines, [])
    except csv.Error as error:
        raise FileProblemError(f"{where} is CSV", f"line 1: {error}", MEND) from None
    if len(header) > caps.columns:
        raise FileTooLargeError(f"at most {caps.columns:,} columns in {where}", f"got {len(header):,}", "Drop some")
    if not header:
        raise FileProblemError(f"{where} has a header", "line 1 is empty", "Begin with the names of the columns")
    _check_separator(header, text.partition("\n")[0], columns, where)
    if twice := next((name for place, name in enumerate(header) if name in header[:place]), None):
        raise FileProblemError(f"each column of {where} once", f"line 1 has {quoted(twice)} twice", "Drop one")
    if columns is None:
        return header
    if not set(columns) & set(header):
        got = f"{_names(header)}: it has no header, or that of another file"
        raise FileProblemError(f"{where} begins with the columns {', '.join(columns)}"[:200], got, "Add the header")
    if missing := [name for name in columns if name not in header]:
        raise FileProblemError(f"{where} has a column {quoted(missing[0])}", _names(header), "Add it")
    if extra := [name for name in header if name not in columns]:
        raise FileProblemError(f"{where} has no other columns", f"line 1 has {quoted(extra[0])}", "Drop it")
    return header


def _check_separator(header: Sequence[str], line: str, columns: Sequence[str] | None, where: str) -> None:
    """Name the separator when it is not the comma."""
    if len(header) > 1 and (columns is None or set(columns) & set(header)):
        return
    for sign, name in ((";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")):
        parts = [part.strip('" \r') for part in line.split(sign)]
        if len(parts) > 1 and (columns is None or set(columns) & set(parts)):
            raise FileProblemError(
                f"commas between the cells of {where}", f"line 1 has {name}", "Export it with commas"
            )


def _rows(
    lines: Iterator[list[str]], header: Sequence[str], caps: TableCaps, where: str
) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        for row in lines:
            number = lines.line_num  # type: ignore[attr-defined]
            if not row:
                continue
            if len(row) != len(header):
                what = "fewer" if len(row) < len(header) else "more"
                got = f"line {number} has {len(row):,}, {what} than the header"
                raise FileProblemError(f"{len(header)} cells on each line of {where}", got, _cells_do(what))
            if len(rows) >= caps.rows:
                raise FileTooLargeError(f"at most {caps.rows:,} rows in {where}", "there are more", "Shorten it")
            rows.append(row)
            numbers.append(number)
    except csv.Error as error:
        got = f"line {lines.line_num}: {error}"  # type: ignore[attr-defined]
        raise FileProblemError(f"{where} is CSV", got, "Mend the quotes; a quote inside is written twice") from None
    return rows, numbers


def _cells_do(what: str) -> str:
    return "Quote cells that hold a comma" if what == "more" else "Fill it in; an empty cell is a comma, too"


def _by_id(
    rows: list[list[str]], lines: list[int], place: int, ids: Sequence[str] | None, where: str
) -> tuple[list[list[str]], list[int]]:
    found: dict[str, int] = {}
    for k, row in enumerate(rows):
        if row[place] in found:
            got = f"line {lines[k]} has {quoted(row[place])}, as line {lines[found[row[place]]]} has"
            raise FileProblemError(f"each id in {where} once", got, "Drop one")
        found[row[place]] = k
    if ids is None:
        return rows, lines
    wanted = set(ids)
    if extra := next((name for name in found if name not in wanted), None):
        got = f"line {lines[found[extra]]} has {quoted(extra)}"
        raise FileProblemError(f"{where} has no ids but those asked for", got, "Drop it, or see the sample")
    if missing := [name for name in ids if name not in found]:
        got = f"{len(missing):,} of {len(ids):,} are missing, the first is {quoted(missing[0])}"
        raise FileProblemError(f"{where} has a row for every id", got, "Add them")
    order = [found[name] for name in ids]
    return [rows[k] for k in order], [lines[k] for k in order]


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""CSV that spreadsheets show and do not run: a text that could be a formula gets a leading apostrophe.

    >>> write_table(["name", "score"], [["=cmd|'/c calc'!A0", -0.5]])
    "name,score\r\n'=cmd|'/c calc'!A0,-0.5\r\n"
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_inert(name) for name in columns])
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return out.getvalue()


def _inert(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\0", "\ufffd")
    start = text.lstrip(" \u00a0\u200b\ufeff")
    return f"'{text}" if start.startswith(FORMULA) and not _NUMBER.fullmatch(text) else text
