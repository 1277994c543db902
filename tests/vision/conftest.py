"""Random small detection cases: close boxes, crowds, equal scores, sizes on both sides of the limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

IMAGES, CATEGORIES = 6, 4
Columns = dict[str, Any]


def drawn(seed: int, *, ignored: bool = True) -> tuple[Columns, Columns]:
    """Columns of truths and of detections, half of them near a truth."""
    rng = np.random.default_rng(seed)
    n, m, scale = int(rng.integers(0, 40)), int(rng.integers(0, 120)), int(rng.choice([20, 60, 200]))

    def boxes(count: int) -> Any:
        return np.concatenate([rng.integers(0, scale, (count, 2)), rng.integers(1, scale, (count, 2))], 1).astype(float)

    def places(count: int) -> Columns:
        return {"image": rng.integers(0, IMAGES, count), "category": rng.integers(0, CATEGORIES, count)}

    truths = {**places(n), "box": boxes(n), "crowd": rng.random(n) < 0.1}
    truths["area"] = truths["box"][:, 2] * truths["box"][:, 3] * rng.choice([1, 0.5], n)
    truths["ignore"] = rng.random(n) < (0.2 if ignored else 0.0)
    found = {**places(m), "box": boxes(m), "score": rng.integers(0, 8, m) / 8}
    if n:
        near, half = rng.integers(0, n, m // 2), slice(0, m // 2)
        moved = rng.integers(-2, 3, (m // 2, 4)) * (rng.random((m // 2, 1)) < 0.5)
        found["box"][half] = truths["box"][near] + moved
        found["box"][:, 2:] = np.maximum(found["box"][:, 2:], 1)
        found["image"][half], found["category"][half] = truths["image"][near], truths["category"][near]
    return truths, found


@pytest.fixture
def case() -> Callable[..., tuple[Columns, Columns]]:
    return drawn
