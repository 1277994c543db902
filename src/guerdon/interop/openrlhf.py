"""OpenRLHF: any reward here behind its remote reward model, as a server or as a file of its own.

    --reward.remote_url http://127.0.0.1:5000/get_reward      after: guerdon reward serve my-reward
    --reward.remote_url <this file>                           with GUERDON_REWARD=my-reward in the environment

`python -m guerdon.interop.openrlhf` prints the path.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.reward import Reward
from guerdon.rlhf.serving import query_cases, query_reply

VARIABLE = "GUERDON_REWARD"


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
    """Rewards of queries, as OpenRLHF calls the function of a file.

    Args:
        queries: prompts with responses, special tokens included.
        prompts: the prompts alone.
        labels: of the rows; keys of the reward.

    Returns:
        `rewards`, `scores` and `extra_logs`, in which every column is a tensor.

    Raises:
        ConfigError: no reward is named.
        RewardError: a response cannot be scored; OpenRLHF logs it and leaves the sample without a reward.
    """
    return as_reward_func(_loaded(os.environ.get(VARIABLE, "")))(queries, prompts, labels)


def as_reward_func(reward: Reward, unknown: float | None = None) -> Callable[..., dict[str, Any]]:
    """A function as OpenRLHF calls it, for a file of one's own: `reward_func = as_reward_func(my_reward)`.

    Args:
        reward: any reward.
        unknown: what a score that is not known counts as; by default it is an error.
    """

    def function(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
        import torch

        body = {"query": list(queries), "prompts": list(prompts), "labels": list(labels)}
        scores = reward(query_cases(body))
        fault = next((score.fault for score in scores if score.fault), None)
        if fault and unknown is None:
            raise RewardError("a score for each query", f"got {fault}", "Say what it counts as: unknown=0.0")
        reply = query_reply(scores, unknown)
        values = torch.tensor(reply["rewards"])
        logs = {name: torch.tensor(column) for name, column in reply["extra_logs"].items()}
        return {"rewards": values, "scores": values, "extra_logs": logs}

    return function


@lru_cache(maxsize=4)
def _loaded(ref: str) -> Reward:
    if not ref:
        raise ConfigError("the name of a reward", "got none", f"Set {VARIABLE}")
    from guerdon.rlhf.kept import load

    return load(ref)


if __name__ == "__main__":
    sys.stdout.write(f"{Path(__file__).resolve()}\n")
