import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.hosting.files import (
    FileProblemError,
    FileTooLargeError,
    Intake,
    JsonCaps,
    TableCaps,
    read_json,
    read_json_lines,
    read_table,
    shown_name,
    write_table,
)
from guerdon.ledger.blobs import Blobs

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN, st.booleans(), st.sampled_from([None, 1]))
def test_json_reads_as_the_standard_reader_does(value: object, ascii_only: bool, indent: int | None) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@given(st.lists(PLAIN, max_size=5))
def test_json_lines_read_line_by_line(values: list[object]) -> None:
    data = "".join(json.dumps(value) + "\n" for value in values).encode()
    assert list(read_json_lines(data)) == values


@given(st.binary(max_size=60))
def test_no_bytes_escape_the_json_reader(data: bytes) -> None:
    try:
        value = read_json(data)
    except FileProblemError:
        pass
    else:
        assert value == json.loads(data)


@given(st.text('[]{},:"aN1e9.- \n', max_size=30))
def test_what_json_refuses_is_refused_with_a_line(text: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(FileProblemError, match=r"line \d+, column \d+"):
            read_json(text.encode())


def test_json_caps(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[[1]]")
    assert read_json(path, JsonCaps(depth=2)) == [[1]]
    with pytest.raises(FileProblemError, match="line 1, column 2, field '\\[0\\]': more than 1 levels"):
        read_json(path, JsonCaps(depth=1))
    with pytest.raises(FileTooLargeError, match="at most 4 bytes: got 5"):
        read_json(path, JsonCaps(size=4))
    with pytest.raises(FileProblemError, match="answers is plain JSON"):
        read_json(b'{"a": NaN}', where="answers")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_a_table_reads_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("first", "second"), *rows])
    table = read_table(out.getvalue().encode())
    assert table.columns == ("first", "second")
    assert [tuple(row) for row in table.rows] == rows


@given(st.permutations(range(8)), st.permutations(["id", "x", "y"]))
def test_rows_and_columns_come_back_in_the_order_that_was_asked_for(order: list[int], columns: list[str]) -> None:
    cells = {"id": str, "x": lambda k: str(k * 2), "y": lambda k: str(-k)}
    lines = [",".join(columns), *(",".join(cells[name](k) for name in columns) for k in order)]
    table = read_table("\n".join(lines).encode(), ["id", "x", "y"], "id", [str(k) for k in range(8)])
    assert table.numbers("x") == [2.0 * k for k in range(8)]
    assert table.numbers("y") == [-1.0 * k for k in range(8)]
    assert [order[line - 2] for line in table.lines] == list(range(8))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read(value: float) -> None:
    assert read_table(f"y\n{value!r}\n".encode()).numbers("y") == [value]


def test_table_caps() -> None:
    with pytest.raises(FileTooLargeError, match="at most 2 rows"):
        read_table(b"y\n1\n2\n3\n", caps=TableCaps(rows=2))
    with pytest.raises(FileTooLargeError, match="line 2 has 100"):
        read_table(b"y\n" + b"1" * 100, caps=TableCaps(line=50))
    with pytest.raises(FileProblemError, match="line 1 is empty"):
        read_table(b"")
    with pytest.raises(FileProblemError, match="line 1 is empty"):
        read_table(b"\n1\n")


@pytest.mark.parametrize("cell", ["=1+1", "+1-1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\u200b=1", "＝1"])
def test_a_written_table_holds_no_formula(cell: str) -> None:
    text = write_table(["name"], [[cell]])
    (_, (written,)) = csv.reader(io.StringIO(text, newline=""))
    assert written == f"'{cell}"


@given(st.lists(st.tuples(CELLS, st.floats(allow_nan=False)), max_size=5))
def test_a_written_table_changes_nothing_else(rows: list[tuple[str, float]]) -> None:
    text = write_table(["name", "score"], rows)
    found = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [float(score) for _, score in found] == [score for _, score in rows]
    assert all(name in (cell, f"'{cell}") for (name, _), (cell, _) in zip(found, rows, strict=True))


def test_an_upload_is_kept_by_its_digest_and_leaves_nothing_else(tmp_path: Path) -> None:
    blobs = Blobs(lambda: tmp_path)
    with Intake(10, "a submission") as taken:
        taken.add(b"hello")
        blob = taken.keep(blobs, "text/plain")
        path = taken.path()
    assert blobs.get(blob) == b"hello"
    assert not path.exists()
    with Intake(10, "a submission") as taken:
        taken.add(b"0123456789")
        with pytest.raises(FileTooLargeError, match="a submission of at most 10 bytes"):
            taken.add(b"0")


@given(st.text())
def test_a_shown_name_is_short_and_plain(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= 100
    assert shown.isprintable()
    assert "/" not in shown
    assert not shown.startswith(".")
