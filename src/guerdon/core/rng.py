"""Randomness by key: the stream for a purpose depends on its name alone, never on what was drawn before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from guerdon.core.plain import canonical

if TYPE_CHECKING:
    from numpy.random import Generator

    Rng = Generator


def entropy(seed: int, *key: str | int) -> int:
    """A 128-bit number for (seed, key), the same on every machine."""
    return int.from_bytes(hashlib.sha256(canonical([seed, *key]).encode("ascii")).digest()[:16], "big")


def stream(seed: int, *key: str | int) -> Generator:
    """The generator of random numbers for one purpose of one run.

    Resuming at step 40 asks for `stream(seed, "ask", 40)` and needs no saved generator state; the order in
    which parallel parts draw does not matter.

    >>> float(stream(7, "ask", 3).random()) == float(stream(7, "ask", 3).random())
    True
    """
    from numpy.random import PCG64, Generator, SeedSequence

    return Generator(PCG64(SeedSequence(entropy(seed, *key))))
