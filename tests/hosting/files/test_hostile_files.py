import pytest

from guerdon.testing.hostile_files import ROWS, FileRow, problem_of


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.title}")
def test_a_hostile_file_is_met_with_the_right_words(row: FileRow) -> None:
    if row.kind == "image":
        pytest.importorskip("PIL")
    assert problem_of(row) == ""


def test_rows_have_ids_of_their_own_and_cover_the_list() -> None:
    ids = [row.id for row in ROWS]
    assert len(set(ids)) == len(ids)
    assert {each[:2] for each in ids if each[0] == "G"} == {"G1", "G2", "G3", "G4", "G6", "G7", "G8"}
