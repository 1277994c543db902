"""guerdon doctor: what this machine can do, and how to get what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing a machine can or cannot do."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""


EXTRAS = {
    "xllamacpp": ("language models in this process", "lm"),
    "torch": ("training, and models in PyTorch", "train"),
    "transformers": ("hub models", "train"),
    "sklearn": ("learned enumerative solver", "search"),
    "pyarrow": ("parquet export", "parquet"),
    "psycopg": ("PostgreSQL ledgers", "postgres"),
    "ray": ("Ray workers", "ray"),
    "gymnasium": ("worlds", "worlds"),
    "trl": ("rewards inside TRL", "trl"),
}


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(doctor)
    return result


def doctor(json: JsonOption = False) -> None:
    """Say what this machine can do, and how to get what is missing. Exit code 3 when code cannot be isolated."""
    signs = list(examine())
    if json:
        out.say_json([asdict(sign) for sign in signs])
    else:
        rows = [[sign.what, sign.ok, sign.detail, "" if sign.ok else sign.remedy] for sign in signs]
        out.console().print(out.table("", ["what", "here", "detail", "how to get it"], rows))
    if not any(sign.ok for sign in signs if sign.what.startswith("sandbox ")):
        raise typer.Exit(3)


def examine() -> Iterator[Sign]:
    """Look at the machine, the sandbox, the optional packages and the models."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Sign("machine", True, f"{platform.system()} {platform.release()}, {cores} cores, {_memory()}")
    new = sys.version_info >= (3, 11)
    yield Sign("Python", new, platform.python_version(), "Install Python 3.11 or newer")
    yield from _sandboxes()
    for module, (what, extra) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        yield Sign(what, there, module, f'pip install "guerdon[{extra}]"')
    yield from _models()
    gpu = shutil.which("nvidia-smi") is not None
    yield Sign("GPU", gpu, "nvidia-smi found" if gpu else "no NVIDIA driver", "Not needed at desk scale")


def _sandboxes() -> Iterator[Sign]:
    from guerdon.sandbox import survey

    for rung in survey():
        yield Sign(f"sandbox {rung.name}", rung.available, rung.detail, rung.how)


def _models() -> Iterator[Sign]:
    from guerdon.lm import weights

    here = weights.installed()
    for name in weights.CATALOGUE:
        yield Sign(f"model {name}", name in here, "in the user cache", f"guerdon models get {name}")


def _memory() -> str:
    try:
        kilobytes = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return "memory unknown"
    return f"{kilobytes / 2**20:.1f} GiB"
