"""Data parallelism over processes, as `accelerate launch` starts them: what each has is added up.

    accelerate launch --num_processes 2 script.py        the script calls `distributed.begin()` first

Each process draws and scores its share of a batch. Losses are sums divided by counts over all processes, so gradients
are summed and every process takes the step that one alone would have taken on the whole batch. In a single process
all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guerdon.core.errors import ConfigError


def begin(*, cpu: bool = False) -> tuple[int, int]:
    """Join the other processes that `accelerate launch` started.

    Args:
        cpu: use the CPU even where there is an accelerator.

    Returns:
        This process's number, and how many there are.

    Raises:
        ConfigError: accelerate is missing.
    """
    try:
        from accelerate import PartialState
    except ImportError:
        got = "accelerate is not installed"
        raise ConfigError("processes are joined by accelerate", got, 'Run pip install "guerdon[train]"') from None
    PartialState(cpu=cpu)
    return place()


def place() -> tuple[int, int]:
    """This process's number, and how many there are: (0, 1) unless processes were joined.

    >>> place()
    (0, 1)
    """
    dist = _joined()
    return (dist.get_rank(), dist.get_world_size()) if dist else (0, 1)


def add_up(tensors: Sequence[Any]) -> None:
    """Replace each tensor by its sum over all processes, in place."""
    dist = _joined()
    for each in tensors if dist else ():
        dist.all_reduce(each)


def total(value: float) -> float:
    """The sum of a number over all processes."""
    return totals([value])[0]


def totals(values: Sequence[float]) -> list[float]:
    """Sums of numbers over all processes."""
    dist = _joined()
    if not dist:
        return [float(each) for each in values]
    import torch

    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    summed = torch.tensor(list(values), dtype=torch.float64, device=device)
    dist.all_reduce(summed)
    return [float(each) for each in summed.tolist()]


def most(value: int) -> int:
    """The largest of a number over all processes."""
    dist = _joined()
    if not dist:
        return value
    import torch

    found = torch.tensor(value, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return int(found)


def _joined() -> Any:
    """`torch.distributed` where processes were joined; torch is not imported for that."""
    import sys

    torch = sys.modules.get("torch")
    dist = getattr(torch, "distributed", None)
    return dist if dist is not None and dist.is_available() and dist.is_initialized() else None
