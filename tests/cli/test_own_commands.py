"""`guerdon SLUG`: a system's own command."""

import sys

import pytest

from guerdon.cli.main import main


def test_a_system_is_run_by_its_slug_and_its_errors_have_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["mrmbench", "compare", "no-such-folder"])
    assert left.value.code == 2
    assert "no-such-folder" in capsys.readouterr().err


def test_options_are_left_to_the_system(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["secrets-rm", "--help"])
    assert left.value.code == 0
    assert "usage: guerdon secrets-rm" in capsys.readouterr().out


def test_a_system_without_a_command_says_where_it_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["programming-puzzles"])
    assert left.value.code == 2
    assert "guerdon systems programming-puzzles" in " ".join(capsys.readouterr().err.split())


def test_what_is_no_name_of_a_package_is_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["../core"])
    assert left.value.code == 2
    assert "../core" in capsys.readouterr().err


def test_no_system_is_imported_to_look_for_its_command() -> None:
    before = set(sys.modules)
    with pytest.raises(SystemExit):
        main(["no-such-system"])
    assert not {name for name in set(sys.modules) - before if name.startswith("guerdon.systems.")}


def test_the_exit_code_of_a_system_is_the_process_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["v3det", "check", "none.json", "--labels", "none.json"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "none.json" in said or 'pip install "guerdon[vision]"' in said
