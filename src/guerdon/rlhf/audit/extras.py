"""What an audit may be given beside the pairs; probes that need what is missing say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.core.reward import Reward
from guerdon.prefer.sets import PreferenceSet
from guerdon.rlhf.contrast import Encoder
from guerdon.rlhf.overoptimisation import Samples


@dataclass(frozen=True, eq=False, kw_only=True)
class Extras:
    """What an audit may be given beside the pairs.

    Args:
        encoder: texts to vectors, for contrast instructions; by default counts of words.
        encoder_name: for people.
        samples: several answers to each prompt, for best-of-n.
        history: rows of a training run with kl, proxy and gold.
        gold: judges the samples, where they come without gold scores.
        trained_on: the pairs that the reward learned from.
    """

    encoder: Encoder | None = None
    encoder_name: str = ""
    samples: Samples | None = None
    history: Sequence[Mapping[str, Any]] | None = None
    gold: Reward | None = None
    trained_on: PreferenceSet | None = None
