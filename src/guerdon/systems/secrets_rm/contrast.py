"""Contrastive terms: SimCSE and SwAV on features of pair members or on their differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.systems.secrets_rm.desk import ARM, ROOMS, SIZES, body, made, mean_by_epoch, validation

if TYPE_CHECKING:
    from guerdon.prefer.training import Contrast

PAPER = "arXiv 2401.06080, section 4"


def terms() -> dict[str, Contrast | None]:
    """The published terms and weights; batch 16. Temperatures are SimCSE's and SwAV's own."""
    from guerdon.prefer.training import Contrast

    return {
        "baseline": None,
        "SimCSE": Contrast(kind="simcse", weight=1.0),
        "SimCSE-diff": Contrast(kind="simcse", diff=True, weight=1.0),
        "SwAV": Contrast(kind="swav", weight=0.1, tau=0.1, prototypes=50),
        "SwAV-diff": Contrast(kind="swav", diff=True, weight=0.5, tau=0.1, prototypes=20),
    }


@dataclass(frozen=True, kw_only=True)
class ContrastiveTerms(Experiment):
    """Whether a contrastive term makes a better reward model."""

    name: ClassVar[str] = "contrast"
    summary: ClassVar[str] = (
        "Models learn from 4,000 pairs, a quarter of them labelled wrong, for 4 epochs of batches of 16, with each "
        "contrastive term or none. Accuracies are on fresh pairs with true labels."
    )
    arms: ClassVar[tuple[str, ...]] = (ARM,)
    modules: ClassVar[tuple[str, ...]] = ROOMS
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="simcse-beats-plain",
            statement="With SimCSE on pair members a reward model is more accurate on true labels than without.",
            measure="SimCSE over baseline",
            treatment=ARM,
            at_least=0.0,
            source=PAPER,
        ),
        Claim(
            name="simcse-is-best",
            statement="SimCSE on pair members is at least as accurate as the best other term.",
            measure="SimCSE over the best other term",
            treatment=ARM,
            at_least=0.0,
            source=f"{PAPER}: best overall",
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Three from 11 on; five at full scale."""
        return tuple(range(11, 16 if scale == "full" else 14))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Every term with one set of pairs."""
        from guerdon.prefer.training import Fit, fit
        from guerdon.rlhf.desk import Desk

        sizes = SIZES[scale]
        desk = Desk.make(seed, demonstrations=sizes.demonstrations)
        noisy, _, _ = made(desk, sizes.used, "contrast")
        watch = validation(desk, sizes.held)
        seeds = tuple(range(seed * 1000, seed * 1000 + sizes.runs))
        found: dict[str, float] = {}
        for name, term in terms().items():
            settings = Fit(epochs=max(1, sizes.longer // 2), batch=16, contrast=term)
            history = fit(body(), noisy, settings, seeds, watch=watch).history
            found |= {f"{kind} accuracy of {name}": mean_by_epoch(history, "accuracy", kind)[-1] for kind in watch}
            found[f"separation of {name}"] = mean_by_epoch(history, "separation", "gold")[-1]
        gold = {name: found[f"gold accuracy of {name}"] for name in terms()}
        best = max(gold[name] for name in ("SimCSE-diff", "SwAV", "SwAV-diff"))
        found["SimCSE over baseline"] = gold["SimCSE"] - gold["baseline"]
        found["SimCSE over the best other term"] = gold["SimCSE"] - best
        return {name: float(np.asarray(each)) for name, each in found.items()}
