"""How many threads torch may use for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch, 0 for as many as it has: small networks spend more on handing out work than on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
