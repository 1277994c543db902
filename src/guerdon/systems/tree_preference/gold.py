"""The gold reward of the tiny text world over texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from guerdon.core.reward import ANY, Range, Reward
from guerdon.core.task import Case
from guerdon.worlds.tiny_text import END, TinyText, read


@dataclass(frozen=True)
class Gold(Reward):
    """The gold reward of answers as texts; the prompt of a task is a topic and a style.

    Args:
        seed: of the world.
        world: another world, such as a calibrated one.
        range: of the reward.
    """

    seed: int = 0
    world: TinyText | None = None
    range: Range = field(default=ANY, metadata={"recipe": False})

    def judge(self, cases: Sequence[Case]) -> list[float]:
        """Score a batch; a text with unknown words is a fault of the answer's case."""
        return self.of([str(each.task.data["prompt"]) for each in cases], [str(each.answer.content) for each in cases])

    def of(self, prompts: Sequence[str], texts: Sequence[str]) -> list[float]:
        """The gold reward of texts."""
        if not texts:
            return []
        world = self.world or TinyText(seed=self.seed)
        rows = [read(text) for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows)) + 1), np.int64)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = row
            ids[k, len(row)] = END
        found: list[float] = world.gold([read(prompt) for prompt in prompts], ids).tolist()
        return found
