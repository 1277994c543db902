"""TRL: any reward here as a reward function there, with the dataset's columns as the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from guerdon.bench.vault import Vault
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest
from guerdon.core.reward import Reward, reward
from guerdon.core.task import Answer, Case, Task

OURS = frozenset({"completion_ids", "trainer_state", "log_extra", "log_metric", "environments", "task"})
"""Keywords of TRL that are no columns of the data, and our own column."""


def as_reward_func(judge: Reward | Challenge, split: str | None = None) -> Callable[..., list[float | None]]:
    """A reward, or a challenge's judge, as TRL calls it: keyword lists in, a list of numbers or `None` out.

    With a reward, every further column of the dataset is a field of the task and of the key. With a challenge, the
    dataset has a column `task` with task ids (see `dataset`), and keys come from the challenge's vault, so they need
    not be in the training data. A fault becomes `None`, which TRL masks; to count the solver's own faults as zero,
    say so: `as_reward_func(judge.or_else(0.0))`.

    Args:
        judge: a reward, or a challenge judged by one.
        split: split of the challenge; its first by default.
    """
    vault = Vault(judge, split or next(iter(judge.splits))) if isinstance(judge, Challenge) else None
    scorer = judge.judge if isinstance(judge, Challenge) else judge
    if not isinstance(scorer, Reward):
        raise ConfigError("a reward", f"{scorer.name} is a preference", "Wrap it: against(pool, preference)")

    def reward_func(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        texts = [completion_text(completion) for completion in completions]
        if vault is not None:
            cases = vault.cases([Answer(name, _content(judge, text)) for name, text in zip(_tasks(columns), texts)])
        else:
            rows = [_row(columns, i) for i in range(len(texts))]
            cases = [_case(prompt, text, row) for prompt, text, row in zip(prompts, texts, rows, strict=True)]
        return [score.value for score in scorer(cases)]

    reward_func.__name__ = "".join(c if c.isalnum() else "_" for c in scorer.name)
    return reward_func


def from_reward_func(
    function: Callable[..., Any],
    range: tuple[float, float] = (float("-inf"), float("inf")),  # noqa: A002
) -> Reward:
    """A reward function written for TRL as a reward here.

    Raises:
        ConfigError: it has no parameter `completions`.
    """
    lifted = reward(range=range)(function)
    if type(lifted).__name__ != "BatchFunctionReward":
        raise ConfigError("a function with a parameter completions", f"got {lifted.name}", "Use guerdon.reward for it")
    return lifted


def dataset(
    challenge: Challenge, split: str | None = None, prompt: str | Callable[[Task], Any] = "prompt"
) -> list[dict[str, Any]]:
    """Rows `prompt`, `task` for a TRL dataset; no keys.

    Args:
        challenge: the challenge.
        split: its split; the first by default.
        prompt: the field of the task's data that is the prompt, or a function of the task.
    """
    tasks = challenge.tasks(split or next(iter(challenge.splits)))
    ask = prompt if callable(prompt) else lambda task: task.data[prompt]
    return [{"prompt": ask(task), "task": task.id} for task in tasks]


def completion_text(completion: Any) -> str:
    """The text of a completion in the standard or the conversational format."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1]["content"]) if completion else ""


def _tasks(columns: Mapping[str, Any]) -> Sequence[str]:
    if "task" not in columns:
        raise ConfigError(
            "a dataset with the column task", f"got {sorted(columns)}", "Make it with interop.trl.dataset"
        )
    names: Sequence[str] = columns["task"]
    return names


def _content(challenge: object, text: str) -> Json:
    """What the challenge takes as an answer's content: text, unless it says otherwise by `content_of`."""
    content_of = getattr(challenge, "content_of", None)
    return content_of(text) if content_of else text


def _row(columns: Mapping[str, Any], index: int) -> dict[str, Any]:
    return {
        name: column[index]
        for name, column in columns.items()
        if name not in OURS and isinstance(column, (list, tuple))
    }


def _case(prompt: Any, text: str, row: Mapping[str, Any]) -> Case:
    name = digest(str(prompt))[:12]
    return Case(Task(name, {"prompt": prompt}), Answer(name, text), dict(row))
