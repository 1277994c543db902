"""What is said of a package that is not here."""

import re
import tomllib
from pathlib import Path

import pytest

from guerdon.cli.out import boundary
from guerdon.core.packages import DISTRIBUTIONS, _extras, missing, plain_name


def test_every_package_of_an_extra_is_known() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    wanted = {
        plain_name(re.split(r"[<>=\[]", line)[0]) for name, lines in extras.items() if name != "dev" for line in lines
    }
    assert wanted - {"guerdon"} <= set(_extras())
    assert set(map(plain_name, DISTRIBUTIONS.values())) <= wanted


def test_an_extra_is_known_whatever_else_its_line_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "one>=1; extra == 'web'", 'two[more]>=1; python_version < "3.14" and extra == "logs"',
        "Three.Four_5>=1; (python_version < '3.14') and extra == 'logs'", "four>=2", "five; python_version < '3.14'",
    ]  # fmt: skip
    monkeypatch.setattr("guerdon.core.packages.metadata.requires", lambda _: lines)
    assert _extras() == {"one": "web", "two": "logs", "three-four-5": "logs"}


def test_our_own_module_that_is_missing_is_a_defect() -> None:
    assert missing(ModuleNotFoundError("no", name="guerdon.nowhere")) is None
    with pytest.raises(ModuleNotFoundError), boundary():
        raise ModuleNotFoundError("no", name="guerdon.nowhere")


def test_a_command_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left, boundary():
        raise ModuleNotFoundError("no", name="PIL.Image")
    assert left.value.code == 2
    assert 'pip install "guerdon[' in " ".join(capsys.readouterr().err.split())
