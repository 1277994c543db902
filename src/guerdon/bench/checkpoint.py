"""Checkpoints of a learner's state: written beside, synced, renamed; two kept; valid only if their digest says so.

A checkpoint only saves time. The ledger holds every verdict of every step, so a state can always be re-told from the
last good checkpoint, or from the start.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from guerdon.core.errors import SolverError
from guerdon.core.faultpoint import reach
from guerdon.core.solver import Learner

KEEP = 2


def save(learner: Learner[Any], state: Any, folder: Path, step: int) -> str:
    """Write the state before `step`; returns the checkpoint's digest."""
    temporary, final = folder / f".step-{step:08d}.{os.getpid()}", folder / f"step-{step:08d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        learner.save(state, temporary)
        name = _seal(temporary)
        reach("checkpoint written")
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(folder)
    reach("checkpoint renamed")
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return name


def newest(learner: Learner[Any], folder: Path, committed: dict[str, int]) -> tuple[int, Any] | None:
    """The newest good checkpoint that the ledger knows, as (step, state).

    Args:
        learner: the one that saved it.
        folder: of the run's checkpoints.
        committed: digest → step after it, of the checkpoints that finished steps point to.
    """
    for path in sorted(folder.glob("step-*"), reverse=True):
        name = _unseal(path)
        if name is not None and name in committed:
            try:
                return committed[name], learner.load(path)
            except SolverError:
                raise
            except Exception:  # noqa: BLE001  # from another version of the solver: an older one, or none, will do
                continue
    return None


def _seal(folder: Path) -> str:
    files = {str(p.relative_to(folder)): _hash(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    text = json.dumps(files, sort_keys=True)
    (folder / "SEAL").write_text(text, encoding="utf-8")
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _unseal(folder: Path) -> str | None:
    try:
        text = (folder / "SEAL").read_text(encoding="utf-8")
        files: dict[str, str] = json.loads(text)
        whole = all(_hash(folder / name) == value for name, value in files.items())
    except (OSError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:32] if whole else None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
