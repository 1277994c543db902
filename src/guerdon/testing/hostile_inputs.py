"""The hostile corpus of files, read by the reader of each kind; rows whose reader is not installed are named.

    python -m guerdon.testing.hostile_inputs

prints a table and how many of each row were held. A row is held when it is refused with words that name what is wrong
and where, or read to exactly what it means.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from guerdon.core.errors import GuerdonError
from guerdon.testing import hostile_data, hostile_files
from guerdon.testing.hostile_files import FileRow
from guerdon.testing.hostile_rows.result import RowResult, line, table

ROWS: list[FileRow] = [*hostile_files.ROWS, *hostile_data.ROWS]
"""Every hostile file."""
READERS: Mapping[str, Callable[[bytes], Any]] = MappingProxyType({**hostile_files.READERS, **hostile_data.READERS})
"""The reader of each kind, with small caps."""
NEEDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "image": ("PIL", "web"), "results": ("msgspec", "vision"), "labels": ("msgspec", "vision"),
    "parquet": ("pyarrow", "parquet"),
})  # fmt: skip
"""The package that a kind's reader needs, and the extra it comes with."""


def lacks(kind: str) -> str:
    """The extra that a kind's reader needs and that is not installed; "" when nothing is missing."""
    module, extra = NEEDS.get(kind, ("", ""))
    return extra if module and find_spec(module) is None else ""


def problem_of(row: FileRow) -> str:
    """What is wrong with how a row was met; empty when it was held."""
    try:
        found = READERS[row.kind](row.make())
    except GuerdonError as error:
        if not row.says:
            return f"refused: {error}"
        missing = [words for words in row.says if words not in str(error)]
        if missing or not (error.expected and error.got and error.do):
            return f"does not say {missing}: {error}"
        return ""
    if row.says:
        return f"read to {found!r:.80}"
    return "" if found == row.means else f"read to {found!r:.80}"


def try_file(row: FileRow) -> RowResult:
    """Read one hostile file; an error that no reader should raise is a problem too."""
    began = time.perf_counter()
    if extra := lacks(row.kind):
        return RowResult(row.id, row.title, False, "", "", 0.0, skipped=extra)
    try:
        problem = problem_of(row)
    except Exception as error:  # noqa: BLE001  # whatever gets out of a reader is what this looks for
        problem = f"{type(error).__name__}: {error}"
    got = "refused in words" if row.says else "read to what it means"
    return RowResult(row.id, row.title, not problem, got, problem, time.perf_counter() - began)


def run_files(only: Sequence[str] = ()) -> list[RowResult]:
    """Read every file of the corpus.

    Args:
        only: ids, or beginnings of ids; all when empty.
    """
    return [try_file(row) for row in ROWS if row.id.startswith(tuple(only) or ("",))]


def main() -> int:
    """Read every file; 0 when all that could be read were held."""
    results = run_files()
    sys.stdout.write("\n".join([*map(line, results), *table(results), ""]))
    return int(not all(each.held or each.skipped for each in results))


if __name__ == "__main__":
    raise SystemExit(main())
