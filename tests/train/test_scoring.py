"""A challenge's reward trains a policy: texts, keys, faults, groups and parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.reward import reward  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.core.task import Task  # noqa: E402
from guerdon.train.learners import GRPO  # noqa: E402
from guerdon.train.loop import train  # noqa: E402
from guerdon.train.rollouts import Sampling  # noqa: E402
from guerdon.train.sampling import Drawn  # noqa: E402
from guerdon.train.scoring import Scored  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy  # noqa: E402

LETTERS = "_.abcdefghij"
TASKS = [Task(f"say/{letter}", {"prompt": letter}) for letter in "ab"]
PROMPTS = [[2], [3]]


def text_of(ids: Any) -> str:
    return "".join(LETTERS[k] for k in ids)


@reward
def says(text: str, key: str) -> float | None:
    return None if "j" in text else text.count(key) / 4


def drawn(*lines: str) -> Drawn:
    ids = np.array([[LETTERS.index(letter) for letter in line] for line in lines])
    lengths = np.array([line.index(".") + 1 if "." in line else len(line) for line in lines])
    return Drawn(ids, lengths, np.zeros(ids.shape, np.float32))


def test_answers_become_cases_and_faults_become_unknown() -> None:
    score = Scored(says, TASKS, PROMPTS, text_of, keys=["c", "d"])
    found = score([[2], [3], [2], [3]], drawn("cc.__", "ccddd", "cj.__", ".____"))
    assert found[:2].tolist() == [0.5, 0.75]
    assert np.isnan(found[2])
    assert found[3] == 0.0
    assert score.texts(drawn("cc.__")) == ["cc"]


def test_parts_of_a_score_become_components() -> None:
    @reward
    def long(text: str) -> float:
        return len(text) / 5

    score = Scored(0.5 * says + 0.5 * long, TASKS, PROMPTS, text_of, keys=["c", "d"], parts=("says", "long"))
    found = score([[2], [3]], drawn("cc.__", "jcddd"))
    assert found[0].tolist() == [0.5, 0.4]
    assert np.isnan(found[1, 0])


def test_prompts_without_a_task_and_tasks_without_a_prompt_are_refused() -> None:
    score = Scored(says, TASKS, PROMPTS, text_of, keys=["c", "d"])
    with pytest.raises(ConfigError, match="has none"):
        score([[7]], drawn("cc.__"))
    with pytest.raises(ConfigError, match="prompt of its own"):
        Scored(says, TASKS, [[2], [2]], text_of)


def test_a_reward_trains_a_policy() -> None:
    policy = TinyPolicy(TinyLM.new(TinyGRU(vocabulary=12, width=16), stream(0, "weights")))
    score = Scored(says, TASKS, PROMPTS, text_of, keys=["c", "d"])
    made = train(
        policy, GRPO(lr=3e-2), PROMPTS, score, iterations=25, batch=32, sampling=Sampling(most=5, group=16), seed=0
    )
    assert made.history[-1]["reward"] > made.history[0]["reward"] + 0.3
    assert made.history[0]["masked"] > 0
