import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guerdon import reward
from guerdon.core.errors import ConfigError, RewardError
from guerdon.interop.verl import compute_score


@reward
def exact(text: str, ground_truth: str) -> float | None:
    return None if text == "?" else float(text == ground_truth)


@reward(range=(0, 9))
def asks(data: dict[str, Any]) -> float:
    return float(len(data["prompt"]))


def theirs(path: str, name: str, **reward_kwargs: Any) -> Any:
    """A function of a file as verl's `get_custom_reward_fn` makes one: loaded by path, keywords merged in."""
    spec = importlib.util.spec_from_file_location("custom_module", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return partial(getattr(module, name), **reward_kwargs)


def test_the_file_is_loaded_by_its_path_with_a_reward_by_name(tmp_path: Path) -> None:
    path = subprocess.run([sys.executable, "-m", "guerdon.interop.verl"], capture_output=True, text=True, check=True)
    mine = tmp_path / "mine.py"
    mine.write_text("from guerdon import reward\n\n@reward(range=(0, 99))\ndef length(text):\n    return len(text)\n")
    function = theirs(path.stdout.strip(), "compute_score", reward=f"{mine}:length")
    found = function(
        data_source="gsm8k", solution_str="abcd", ground_truth="4",
        extra_info={"question": "q", "num_turns": 1, "rollout_reward_scores": {}},
    )  # fmt: skip
    assert found == {"score": 4.0}


def test_ground_truth_is_the_key_and_the_question_the_prompt() -> None:
    one = partial(compute_score, reward=exact)
    assert one("gsm8k", "4", "4", {"index": 1}) == {"score": 1.0}
    assert one("gsm8k", "5", "4", None) == {"score": 0.0}
    assert compute_score("s", "a", None, {"question": "abc"}, reward=asks) == {"score": 3.0}
    assert compute_score("s", "a", None, {"prompt": "ab", "question": "abc"}, reward=asks) == {"score": 2.0}


def test_the_batch_manager_s_call_gives_a_list() -> None:
    found = compute_score(
        data_sources=["s"] * 3, solution_strs=["a", "b", "a"], ground_truths=["a"] * 3, extra_infos=[{}] * 3,
        reward=exact,
    )  # fmt: skip
    assert found == [{"score": 1.0}, {"score": 0.0}, {"score": 1.0}]


def test_unknown_is_an_error_unless_it_has_a_number() -> None:
    with pytest.raises(RewardError, match=r"reward_kwargs\.unknown"):
        compute_score("s", "?", "4", reward=exact)
    assert compute_score("s", "?", "4", reward=exact, unknown=0.0) == {"score": 0.0}


def test_without_a_reward_or_a_response_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GUERDON_REWARD", raising=False)
    with pytest.raises(ConfigError, match="GUERDON_REWARD"):
        compute_score("s", "a", "a")
    with pytest.raises(ConfigError, match="solution_strs"):
        compute_score("s", reward=exact)
    (tmp_path / "mine.py").write_text("from guerdon import reward\n\n@reward\ndef one(text):\n    return 1.0\n")
    monkeypatch.setenv("GUERDON_REWARD", str(tmp_path / "mine.py"))
    assert compute_score("s", "a", "a") == {"score": 1.0}
