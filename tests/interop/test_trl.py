from typing import Any

import pytest

from guerdon import ConfigError, gate, reward
from guerdon.interop.trl import as_reward_func, dataset, from_reward_func


@reward
def exact(text: str, target: str) -> float:
    return float(text == target)


@reward(range=(0, 1))
def short(text: str) -> float | None:
    return None if not text else 1 / len(text)


def test_columns_of_the_dataset_are_the_key() -> None:
    func = as_reward_func(exact)
    assert func.__name__ == "exact"
    assert func(prompts=["p", "p"], completions=["a", "b"], target=["a", "a"], completion_ids=[[1], [2]]) == [1.0, 0.0]


def test_conversational_completions_and_none_for_not_applicable() -> None:
    chat = [[{"role": "assistant", "content": ""}], [{"role": "assistant", "content": "abcd"}]]
    prompts = [[{"role": "user", "content": "q"}]] * 2
    assert as_reward_func(short)(prompts=prompts, completions=chat, trainer_state=object()) == [None, 0.25]


def test_the_algebra_goes_through() -> None:
    func = as_reward_func(0.5 * exact + gate(exact, short))
    assert func(prompts=["p"] * 2, completions=["ab", "zz"], target=["ab", "ab"]) == [1.0, 0.0]


def test_groups_are_those_of_one_prompt() -> None:
    from guerdon.core.algebra import ranked

    func = as_reward_func(short.by_group(ranked))
    found = func(prompts=["p", "q", "p", "q"], completions=["a", "bbb", "aaa", "b"])
    assert found == [1.0, 0.0, 0.0, 1.0]


def test_trl_functions_come_back_in() -> None:
    def theirs(completions: list[str], target: list[str], **rest: Any) -> list[float]:
        return [float(c == t) for c, t in zip(completions, target, strict=True)]

    again = as_reward_func(from_reward_func(theirs))
    assert again(prompts=["p"] * 2, completions=["a", "b"], target=["a", "a"]) == [1.0, 0.0]
    with pytest.raises(ConfigError, match="completions"):
        from_reward_func(lambda text: 1.0)


def test_a_challenge_keeps_its_keys_out_of_the_dataset() -> None:
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
    from bench_helpers import Guess

    rows = dataset(Guess())
    assert rows[0] == {"prompt": "number 0", "task": "n0"}
    func = as_reward_func(Guess())
    found = func(prompts=[row["prompt"] for row in rows], completions=["3"] * 3, task=[row["task"] for row in rows])
    assert found == [None, None, None]  # text is no number: the solver's fault, masked
    with pytest.raises(ConfigError, match="column task"):
        func(prompts=["p"], completions=["3"])
