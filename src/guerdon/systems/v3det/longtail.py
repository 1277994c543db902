"""Classes with V3Det's long tail of training counts: does a cosine classifier with repeat-factor sampling help?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from guerdon.core.rng import stream
from guerdon.systems.v3det.load import IMAGES_OF, long_tail
from guerdon.systems.v3det.training import cosine_head, epoch, sigmoid_loss

ARMS = ("softmax", "cosine", "cosine, repeat factors")
WIDTH, NOISE, BATCH = 64, 1.8, 256
RATES = {"softmax": 3e-3, "cosine": 0.1, "cosine, repeat factors": 0.1}
"""Of learning: the best of 1e-3 to 0.3 for each arm on seed 1."""
MEDIAN_FACTOR = 3.5
"""How often a category of median frequency is repeated in V3Det: √(1e-3 / (15 / 183,354))."""


def accuracies(arm: str, seed: int, *, classes: int = 300, epochs: int = 30, most: int = 600) -> Mapping[str, float]:
    """Per cent right on the rarest third of classes, on the most frequent one, and on all.

    Args:
        arm: one of `ARMS`.
        seed: draws data and weights.
        classes: how many; their features are normal around means of their own.
        epochs: of as many samples as there are, whichever the sampling.
        most: samples of a class.
    """
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 8])
    counts = np.clip(long_tail(classes, IMAGES_OF), 1, most).round().astype(np.int64)
    means = rng.normal(size=(classes, WIDTH))
    y = np.repeat(np.arange(classes), counts)
    x = means[y] + NOISE * rng.normal(size=(len(y), WIDTH))
    head = torch.nn.Linear(WIDTH, classes) if arm == "softmax" else cosine_head(WIDTH, classes)
    factor = np.maximum(1.0, MEDIAN_FACTOR * np.sqrt(np.median(counts) / counts))
    factors = factor[y] if "repeat" in arm else np.ones(len(y))
    _fit(head, x, y, factors, arm == "softmax", steps=epochs * len(y) // BATCH, rate=RATES[arm], seed=seed)
    truth = np.repeat(np.arange(classes), 10)
    test = means[truth] + NOISE * rng.normal(size=(len(truth), WIDTH))
    with torch.inference_mode():
        right = head(torch.from_numpy(test).float()).argmax(1).numpy() == truth
    third = classes // 3
    return {
        "rarest third": 100 * float(right[truth < third].mean()),
        "most frequent third": 100 * float(right[truth >= classes - third].mean()),
        "all": 100 * float(right.mean()),
    }


def _fit(head: Any, x: Any, y: Any, factors: Any, softmax: bool, *, steps: int, rate: float, seed: int) -> None:
    import torch

    rows, labels = torch.from_numpy(x).float(), torch.from_numpy(y)
    optimiser = torch.optim.AdamW(head.parameters(), rate, weight_decay=1e-4)
    done = 0
    while done < steps:
        order = epoch(factors, stream(seed, "epoch", done))
        for at in range(0, len(order), BATCH):
            some = torch.from_numpy(order[at : at + BATCH])
            logits = head(rows[some])
            loss = (
                torch.nn.functional.cross_entropy(logits, labels[some])
                if softmax
                else sigmoid_loss(logits, labels[some])
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if done == steps:
                return
