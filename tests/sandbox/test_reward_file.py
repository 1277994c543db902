from __future__ import annotations

from pathlib import Path

import pytest

from guerdon.core.errors import RewardError
from guerdon.sandbox import read_reward_file


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1", 1.0), ("0.75\n", 0.75), ("00.5", 0.5), ("-0", 0.0)])
def test_plain_numbers_are_read(tmp_path: Path, text: str, value: float) -> None:
    path = tmp_path / "reward.txt"
    path.write_text(text)
    assert read_reward_file(path) == value


def test_range_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "reward.txt"
    path.write_text("-3.5")
    assert read_reward_file(str(path), low=-5, high=5) == -3.5
    with pytest.raises(RewardError, match="outside 0 to 1"):
        read_reward_file(path)
