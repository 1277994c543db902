"""verl: any reward here as its custom reward function, by the path of this file.

    custom_reward_function.path=<this file>  custom_reward_function.name=compute_score
    +custom_reward_function.reward_kwargs.reward=my-reward

`python -m guerdon.interop.verl` prints the path. The reward may also be named by the environment variable
`GUERDON_REWARD`. verl's naive, dapo and prime managers call with one response, its batch manager with lists; both work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import digest
from guerdon.core.reward import Reward
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task

VARIABLE = "GUERDON_REWARD"


def compute_score(
    data_source: Any = None,
    solution_str: str | None = None,
    ground_truth: Any = None,
    extra_info: Mapping[str, Any] | None = None,
    *,
    reward: str | Reward = "",
    unknown: float | None = None,
    data_sources: Sequence[Any] | None = None,
    solution_strs: Sequence[str] | None = None,
    ground_truths: Sequence[Any] | None = None,
    extra_infos: Sequence[Mapping[str, Any] | None] | None = None,
    **_: Any,
) -> dict[str, float] | list[dict[str, float]]:
    """Score one response, or a batch, as verl asks.

    The prompt is `extra_info["prompt"]`, else `["question"]`, else "": verl's own prepared data sets have the latter.
    The key is `ground_truth`, `data_source` and all of `extra_info`.

    Args:
        data_source: name of the data set.
        solution_str: the response.
        ground_truth: of the row.
        extra_info: of the row.
        reward: a reward, or what `guerdon.rlhf.kept.load` takes; by default the variable `GUERDON_REWARD`.
        unknown: the number for a response that cannot be scored; verl knows no masks, so by default it is an error.
        data_sources: of a batch.
        solution_strs: of a batch; if given, a list comes back.
        ground_truths: of a batch.
        extra_infos: of a batch.

    Returns:
        `score`, and where there are several members `reward_sd`.

    Raises:
        ConfigError: no reward is named, or no response is given.
        RewardError: a response cannot be scored and `unknown` is not given.
    """
    judge = reward if isinstance(reward, Reward) else _loaded(reward or os.environ.get(VARIABLE, ""))
    if solution_strs is None:
        if solution_str is None:
            raise ConfigError("a solution_str, or solution_strs", "got neither", "Call it as verl does")
        return _told(judge([_case(solution_str, data_source, ground_truth, extra_info)])[0], unknown)
    n = len(solution_strs)
    columns = [[None] * n if each is None else list(each) for each in (data_sources, ground_truths, extra_infos)]
    cases = [_case(*each) for each in zip(solution_strs, *columns, strict=True)]
    return [_told(score, unknown) for score in judge(cases)]


def _case(text: str, source: Any, truth: Any, extra: Any) -> Case:
    info = dict(extra or {})
    prompt = next((info[name] for name in ("prompt", "question") if info.get(name)), "")
    name = digest(str(prompt))[:12]
    return Case(
        Task(name, {"prompt": prompt}), Answer(name, text), {**info, "ground_truth": truth, "data_source": source}
    )


def _told(score: Score, unknown: float | None) -> dict[str, float]:
    value = unknown if score.value is None else score.value
    if value is None:
        raise RewardError("a score", f"got {score.fault}", "Say what it counts as: reward_kwargs.unknown=0.0")
    return {"score": value} | ({} if score.spread is None else {"reward_sd": score.spread})


@lru_cache(maxsize=4)
def _loaded(ref: str) -> Reward:
    if not ref:
        raise ConfigError("the name of a reward", "got none", f"Set reward_kwargs.reward or {VARIABLE}")
    from guerdon.rlhf.kept import load

    return load(ref)


if __name__ == "__main__":
    sys.stdout.write(f"{Path(__file__).resolve()}\n")
