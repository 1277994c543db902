"""A reward of a challenge as the score of a training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.train.sampling import Drawn

Decode: TypeAlias = Callable[[Sequence[int]], str]
"""The text of some ids, such as `tokenizer.decode`; the end and padding are cut off before."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of answers by a reward: their texts become cases, and a fault becomes an unknown score (nan).

    Args:
        reward: judges cases; one that judges groups gets all answers of a task at once.
        tasks: of the prompts, in the order of `prompts`.
        prompts: ids of the prompts that the policy is trained on, one for each task.
        decode: makes texts.
        keys: of the tasks, if the reward needs them.
        end: the id that ends an answer.
        parts: names of the parts of each score that become its components; by default its value alone.

    Raises:
        ConfigError: tasks, prompts and keys are not equally many, or a prompt stands for two tasks.
    """

    reward: Reward
    tasks: Sequence[Task]
    prompts: Sequence[Sequence[int]]
    decode: Decode
    keys: Sequence[Key] | None = None
    end: int = 1
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {tuple(map(int, prompt)): k for k, prompt in enumerate(self.prompts)}
        keys = self.tasks if self.keys is None else self.keys
        if not len(known) == len(self.prompts) == len(self.tasks) == len(keys):
            got = f"got {len(self.tasks)} tasks, {len(known)} different prompts and {len(keys)} keys"
            raise ConfigError("a prompt of its own for each task, and a key", got, "Leave out what is there twice")
        object.__setattr__(self, "_known", known)

    def __call__(self, prompts: Sequence[Sequence[int]], drawn: Drawn) -> npt.NDArray[np.float64]:
        """Scores (n,), or (n, C) of parts.

        Raises:
            ConfigError: a prompt is none of those that have a task.
        """
        cases = [self.case(prompt, ids) for prompt, ids in zip(prompts, self.texts(drawn), strict=True)]
        scores = self.reward(cases)
        if not self.parts:
            return np.array([np.nan if each.value is None else each.value for each in scores], np.float64)
        lines = [[each.parts.get(name, np.nan) for name in self.parts] for each in scores]
        unknown = np.array([each.value is None for each in scores])
        return np.where(unknown[:, None], np.nan, np.array(lines, np.float64))

    def texts(self, drawn: Drawn) -> list[str]:
        """The text of each answer, without its end."""
        lines = [line[:n] for line, n in zip(drawn.ids.tolist(), drawn.lengths.tolist(), strict=True)]
        return [self.decode(line[:-1] if line and line[-1] == self.end else line) for line in lines]

    def case(self, prompt: Sequence[int], text: str) -> Case:
        """The case of one answer."""
        known: dict[tuple[int, ...], int] = self.__dict__["_known"]
        at = known.get(tuple(map(int, prompt)))
        if at is None:
            got = f"{list(map(int, prompt))[:8]} has none"
            raise ConfigError("a prompt that has a task", got, "Train on the prompts that were given here")
        task = self.tasks[at]
        key: Any = None if self.keys is None else self.keys[at]
        return Case(task, Answer(task.id, text), key)
