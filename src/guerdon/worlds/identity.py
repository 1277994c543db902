"""Which world exactly: versions, the code of its class, the bytes of its ROM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from guerdon.core.plain import Json
from guerdon.core.recipe import code_digest


def identify(env: Any, name: str, arguments: Mapping[str, Any]) -> dict[str, Json]:
    """The identity of a Gymnasium environment, as plain data.

    Args:
        env: the environment, wrapped or not.
        name: its id.
        arguments: what it was made with.
    """
    inner = type(env.unwrapped)
    source = getattr(inner, "code_of", inner)
    root = inner.__module__.partition(".")[0]
    packages = {"gymnasium", root, *({"mujoco"} if hasattr(env.unwrapped, "model") else ())}
    found: dict[str, Json] = {
        "id": name,
        "arguments": json.dumps(dict(arguments), sort_keys=True, default=repr),
        "code": f"{inner.__module__}:{inner.__qualname__}@{code_digest(source)}",
        "versions": {package: package_version(package) for package in sorted(packages)},
    }
    game = getattr(env.unwrapped, "_game", None)
    return {**found, "rom": rom_digest(game)} if isinstance(game, str) and root == "ale_py" else found


@cache
def package_version(name: str) -> str:
    """The version of an installed package by the name of its module, or "own" for code that is in none."""
    for candidate in (name, name.replace("_", "-")):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return "own"


@cache
def rom_digest(game: str) -> str:
    """SHA-256 of the ROM that ale-py ships for a game."""
    from ale_py import roms

    return hashlib.sha256(Path(str(roms.get_rom_path(game))).read_bytes()).hexdigest()
