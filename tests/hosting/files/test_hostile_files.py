import pytest

from guerdon.testing.hostile_inputs import ROWS, FileRow, lacks, problem_of, run_files
from guerdon.testing.hostile_rows.result import RowResult, line, table


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.title}")
def test_a_hostile_file_is_met_with_the_right_words(row: FileRow) -> None:
    if extra := lacks(row.kind):
        pytest.skip(f"needs guerdon[{extra}]")
    assert problem_of(row) == ""


def test_rows_have_ids_of_their_own_and_cover_the_list() -> None:
    ids = [row.id for row in ROWS]
    assert len(set(ids)) == len(ids)
    assert {each[:2] for each in ids if each[0] == "G"} == {f"G{n}" for n in range(1, 9)}


def test_what_is_not_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.testing.hostile_inputs.find_spec", lambda name: None)
    found = run_files(["G6", "G1a"])
    assert [each.outcome for each in found] == ["held", *["skipped"] * (len(found) - 1)]
    assert "needs guerdon[web]" in line(found[-1])
    told = table(
        [*found, RowResult("A1", "x", False, "", "broken", 0.0), RowResult("A1b", "x", False, "", "", 0.0, "y")]
    )
    assert told[-1] == f"held 1 of 3; {len(found) - 1} not tried, they need guerdon[web]"
    assert [row.split() for row in told[2:5]] == [["A1", "2", "1", "1"], ["G1", "1", "1"], ["G6", "8", "8"]]
