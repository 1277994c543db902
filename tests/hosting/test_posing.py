"""What a contest may be opened on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hosting_helpers import ADMIN, Numbers

from guerdon import Task
from guerdon.core.errors import ChallengeError, ConfigError
from guerdon.hosting import Host, Phase

FILED = """
from dataclasses import dataclass
from typing import ClassVar
from guerdon import Challenge, Task, Visibility, reward

@reward
def same(answer, key):
    \"\"\"One where they are the same.\"\"\"
    return float(answer == key)

@dataclass(frozen=True, kw_only=True)
class Filed(Challenge):
    \"\"\"Say what is in a file.\"\"\"
    name: ClassVar[str] = "filed"
    splits: ClassVar = {"test": Visibility.SEALED}
    judge = same
    place: str = ""
    \"\"\"The file.\"\"\"
    word: str = "plain"
    \"\"\"No file.\"\"\"
    def tasks(self, split):
        return [Task("one", {"prompt": "?"})]
    def keys(self, tasks):
        with open(self.place) as file:
            return [file.read() for _ in tasks]
"""


class Keyless(Numbers):
    """One without keys."""

    def keys(self, tasks: Sequence[Task]) -> Sequence[Any]:
        return []


@pytest.fixture
def filed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.txt").write_text("swordfish")
    (tmp_path / "plain").write_text("named as a value")
    (tmp_path / "filed.py").write_text(FILED)
    return "filed.py:Filed"


def test_a_challenge_without_keys_opens_no_contest(host: Host) -> None:
    with pytest.raises(ChallengeError, match="one key per task"):
        host.contests.create(ADMIN, Keyless(), "keyless", "Keyless", [Phase("open", "open")])
    assert host.contests.list(ADMIN) == []


def test_what_an_author_s_code_raises_is_told(host: Host, filed: str) -> None:
    with pytest.raises(ChallengeError, match=r"keys of filed/test: FileNotFoundError.*See guerdon check"):
        host.contests.create(ADMIN, filed, "filed", "Filed", fields={"place": "none.txt"})


def test_a_file_is_found_from_the_folders_of_workers(host: Host, filed: str, tmp_path: Path) -> None:
    made = host.contests.create(ADMIN, filed, "filed", "Filed", fields={"place": "key.txt", "word": "plain"})
    posed: Any = host.contests.posed(made, made.phases[0]).challenge
    assert (posed.place, posed.word) == (str(tmp_path / "key.txt"), "plain")


def test_an_unknown_field_is_named_beside_the_known_ones(host: Host, filed: str) -> None:
    with pytest.raises(ConfigError, match=r"a field of filed: got 'plaze'.*place"):
        host.contests.create(ADMIN, filed, "filed", "Filed", fields={"plaze": "key.txt"})
