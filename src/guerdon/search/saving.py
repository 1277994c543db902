"""State on disk: arrays in an .npz file without pickle, the rest in a JSON file that is written last."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError
from guerdon.core.plain import Json, canonical

FORMAT = 1
Array = npt.NDArray[Any]
State = TypeVar("State")


def write(folder: Path, kind: str, arrays: Mapping[str, Array], plain: Mapping[str, Json] | None = None) -> None:
    """Write arrays and plain data into a folder.

    Raises:
        SolverError: an array holds Python objects.
    """
    folder.mkdir(parents=True, exist_ok=True)
    odd = next((name for name, array in arrays.items() if array.dtype.hasobject), None)
    if odd is not None:
        raise SolverError("saved arrays hold numbers or text", f"{odd} holds Python objects", "Give it a plain dtype")
    (folder / "state.json").unlink(missing_ok=True)
    with (folder / "arrays.npz").open("wb") as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]
    text = canonical({"kind": kind, "format": FORMAT, "plain": plain or {}})
    (folder / "state.json").write_text(text, encoding="utf-8")


def read(folder: Path, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write` wrote.

    Raises:
        SolverError: it is not there, not whole, or of another kind.
    """
    try:
        header = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        found, number, plain = header["kind"], header["format"], dict(header["plain"])
        with np.load(folder / "arrays.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        what = f"{type(error).__name__}: {error}"
        raise SolverError(f"{folder.name} holds a saved {kind}", what, "Save it again") from None
    if (found, number) != (kind, FORMAT):
        got = f"got {found} of format {number}"
        raise SolverError(f"{folder.name} holds a saved {kind} of format {FORMAT}", got, "Load it by its own kind")
    return arrays, plain


def save_state(state: Any, folder: Path) -> None:
    """Save a state that is a dataclass of arrays and numbers."""
    arrays = {field.name: np.asarray(getattr(state, field.name)) for field in dataclasses.fields(state)}
    write(folder, type(state).__name__, arrays)


def load_state(kind: type[State], folder: Path) -> State:
    """Load a state that `save_state` saved; arrays without an axis come back as numbers."""
    arrays, _ = read(folder, kind.__name__)
    return kind(**{name: array if array.ndim else array.item() for name, array in arrays.items()})
