"""The critic reads whatever body it is given."""

from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.train.critic import Critic  # noqa: E402
from guerdon.train.policy import Packed, Tokens  # noqa: E402


@dataclass(frozen=True)
class Counting:
    """Hidden states that count the tokens so far; `causal` here is a question, not a way to read."""

    width: int = 1

    def initial(self, generator):
        return {"unit": torch.ones(1)}

    def hidden(self, weights, rows, mask):
        return mask.float().cumsum(1)[..., None] * weights["unit"]

    def causal(self, weights) -> bool:
        return True


def test_a_body_with_a_causal_of_its_own_is_read_by_hidden() -> None:
    critic = Critic(body=Counting(), start={"unit": torch.ones(1), "head": torch.tensor([2.0])})
    packed = Packed.of([Tokens([5, 6], [7, 8]), Tokens([9], [1])])
    found = critic.values(critic.initial(1, 0), packed)
    assert np.array_equal(found[..., 0], [[4.0, 6.0], [2.0, 0.0]])
