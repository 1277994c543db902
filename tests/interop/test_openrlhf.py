import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from guerdon import reward
from guerdon.core.errors import ConfigError, RewardError
from guerdon.interop.openrlhf import as_reward_func, reward_func

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')


@reward(range=(0, 99))
def length(text: str) -> float | None:
    return None if text == "?" else len(text)


def test_the_file_is_loaded_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from guerdon import reward\n\n@reward(range=(0, 99))\ndef length(text):\n    return len(text)\n")
    monkeypatch.setenv("GUERDON_REWARD", str(mine))
    path = subprocess.run(
        [sys.executable, "-m", "guerdon.interop.openrlhf"], capture_output=True, text=True, check=True
    )
    # as openrlhf.utils.agent.SingleTurnAgentExecutor loads and calls it
    spec = importlib.util.spec_from_file_location("reward_func", path.stdout.strip())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.reward_func(["q: abcd</s>"], ["q: "], ["label"])
    assert found["rewards"].tolist() == found["scores"].tolist() == [4.0]
    assert {name: value.flatten()[0].item() for name, value in found["extra_logs"].items()} == {"reward_model": 4.0}


def test_unknown_is_an_error_unless_it_has_a_number() -> None:
    with pytest.raises(RewardError, match=r"unknown=0\.0"):
        as_reward_func(length)(["ab", "?"], ["", ""], [None, None])
    assert as_reward_func(length, -1.0)(["ab", "?"], ["", ""], [None, None])["rewards"].tolist() == [2.0, -1.0]


def test_without_a_reward_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUERDON_REWARD", raising=False)
    with pytest.raises(ConfigError, match="GUERDON_REWARD"):
        reward_func(["a"], [""], [None])
