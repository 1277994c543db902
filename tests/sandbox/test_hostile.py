"""Every hostile input, on every back end: what must come of it, and what must not be left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guerdon.core.errors import SandboxError
from guerdon.testing import hostile
from guerdon.testing.hostile_rows.files import STILL, Still
from guerdon.testing.hostile_rows.row import Bait, Row


@pytest.fixture(scope="module")
def bait() -> Iterator[Bait]:
    with hostile.lay_out() as laid_out:
        yield laid_out


def _rows() -> list[object]:
    return [
        pytest.param(
            backend,
            row,
            id=f"{backend}-{row.id}",
            marks=[pytest.mark.xfail(reason=row.gaps[backend], strict=True)] if backend in row.gaps else [],
        )
        for backend in ("namespaces", "landlock")
        for row in hostile.ROWS
    ]


@pytest.mark.parametrize(("backend", "row"), _rows())
def test_row(backend: str, row: Row, bait: Bait, request: pytest.FixtureRequest) -> None:
    result = hostile.try_row(row, request.getfixturevalue(backend), bait)
    assert result.held, f"{row.title}: {result.problem}"


@pytest.mark.parametrize("still", STILL, ids=lambda still: still.id)
def test_still(still: Still) -> None:
    result = hostile.try_still(still)
    assert result.held, f"{still.title}: {result.problem}"


def test_every_row_of_the_list_is_here_or_named_elsewhere() -> None:
    listed = {f"A{n}" for n in range(1, 26)} | {f"B{n}" for n in range(1, 14)} | {f"C{n}" for n in range(1, 19)}
    here = {row.id.rstrip("abcdefghijklmnopqrstuvwxyz") for row in hostile.ROWS}
    here |= {still.id.split(".")[0].rstrip("abcdefgh") for still in STILL}
    assert here | set(hostile.ELSEWHERE) == listed
    assert len({row.id for row in hostile.ROWS}) == len(hostile.ROWS)


SHARP = ["B1a", "B1b", "B1c", "B1f", "B2c", "B3a", "B3b", "B3c", "B3j", "B4d", "A5c"]


@pytest.mark.parametrize("row", [row for row in hostile.ROWS if row.id in SHARP], ids=lambda r: r.id)
def test_rows_are_sharp(row: Row, trusted: object, bait: Bait) -> None:
    """Harmless rows do find something where there is no wall, so that `held` means something."""
    result = hostile.try_row(row, trusted, bait)  # type: ignore[arg-type]
    assert not result.held


def test_corpus_refuses_to_run_without_a_wall() -> None:
    with pytest.raises(SandboxError, match="behind a wall"):
        hostile.run_corpus("trusted")


def test_command_line_prints_the_count(capsys: pytest.CaptureFixture[str], namespaces: object) -> None:
    assert hostile.main(["--backend", "namespaces", "--only", "A12a", "C10.1", "C12a"]) == 0
    printed = capsys.readouterr().out
    assert "held 13 of 13" in printed
    assert "A12a" in printed
    assert hostile.main(["--only", "A12a", "--json"]) == 0
    assert '"held": true' in capsys.readouterr().out
    assert hostile.main(["--backend", "trusted"]) == 3
