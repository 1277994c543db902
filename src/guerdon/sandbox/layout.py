"""Where the interpreter and the requested imports live: what the room is furnished with."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from guerdon.core.errors import SandboxError

SITE = "/site"
PROGRAMS = "/usr/bin"  # where jobs find the programs that were asked for
_EQUIPMENT = ("usr/include", "usr/lib64", "lib64", "lib/*-linux-*", "usr/lib/*-linux-*", "usr/lib*/gcc")
# What answers import most: having it costs every fork 0.4 ms of CPU, importing `typing` alone costs a job 10 to 20.
COMMON = (
    "typing",
    "collections",
    "math",
    "itertools",
    "functools",
    "operator",
    "heapq",
    "bisect",
    "re",
    "string",
    "random",
    "json",
    "copy",
)
_MODULES = ("wire", "inside.kernel", "inside.seccomp", "inside.room", "inside.worker", "inside.zygote")
BOOT = """
import sys, marshal, _socket
control = _socket.socket(fileno=3)
modules, plan = marshal.loads(control.recv(1 << 20))
for name, code in modules:
    module = sys.modules[name] = type(sys)(name)
    module.__path__ = []
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    if code is not None:
        exec(code, module.__dict__)
sys.modules["guerdon.sandbox.inside.zygote"].main(control.detach(), plan)
"""


def interpreter() -> str:
    """The real executable behind this one, virtual environment or not."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def arguments() -> list[str]:
    """How the zygote is started: no site, no user site, no script folder, no bytecode written."""
    return [interpreter(), "-S", "-s", "-P", "-B", "-c", BOOT]


@cache
def modules() -> list[tuple[str, object]]:
    """(name, code) of what the zygote runs, parents first; docstrings are left out to keep it small."""
    here = Path(__file__).parent
    found: list[tuple[str, object]] = [("guerdon", None), ("guerdon.sandbox", None), ("guerdon.sandbox.inside", None)]
    for name in _MODULES:
        path = here / (name.replace(".", "/") + ".py")
        code = compile(path.read_text("utf-8"), f"<{name}>", "exec", dont_inherit=True, optimize=2)
        found.append((f"guerdon.sandbox.{name}", code))
    return found


def bundle(kind: str, imports: Sequence[str], programs: Sequence[str] = ()) -> bytes:
    """Everything the zygote needs, as bytes."""
    folders, path = furniture(imports, inside=kind == "namespaces")
    if programs and kind == "namespaces":
        folders = equipment(programs) + folders
    plan = {
        "kind": kind,
        "host": os.getpid(),
        "imports": [*COMMON, *imports],
        "folders": folders,
        "hidden": hidden(),
        "programs": bool(programs),
        "path": path,
    }
    return marshal.dumps((modules(), plan))


def furniture(imports: Sequence[str], *, inside: bool) -> tuple[list[tuple[str, str]], list[str]]:
    """(outside, inside) of every folder to bind, and the entries to add to `sys.path`."""
    stdlib = standard_library()
    folders = [(stdlib, stdlib)]
    parents: list[str] = []
    for name in imports:
        for place in places(name):
            folders.append((str(place), f"{SITE}/{place.name}"))
            parents.append(str(place.parent))
    extra = ([SITE] if parents else []) if inside else list(dict.fromkeys(parents))
    return folders, extra


def places(name: str) -> list[Path]:
    """The file or folders of a top-level module, with the shared libraries shipped beside it.

    Raises:
        SandboxError: it is not installed.
    """
    if name.partition(".")[0] in sys.stdlib_module_names:
        return []
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        raise SandboxError(f"imports={name!r} names an installed module", "it is not here", f"pip install {name}")
    found = [Path(path) for path in spec.submodule_search_locations or [str(spec.origin)]]
    return found + [libs for path in found for libs in _shipped(path)]


def _shipped(module: Path) -> list[Path]:
    """The folder of shared libraries beside a module: named as it, or as its distribution (`scikit_learn.libs`)."""
    own = module.with_name(f"{module.name}.libs")
    if own.is_dir():
        return [own]
    others = [libs for libs in module.parent.glob("*.libs") if not libs.with_suffix("").exists()]
    return [libs for libs in others if module.is_dir() and _holds(libs.stem, module.name)]


@cache
def _holds(distribution: str, module: str) -> bool:
    """Whether a distribution installed this top-level module."""
    import importlib.metadata

    try:
        files = importlib.metadata.distribution(distribution).files or ()
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(file.parts[0] == module for file in files)


def equipment(programs: Sequence[str]) -> list[tuple[str, str]]:
    """(outside, inside) of what the named programs of the system need: themselves, libraries, headers, compiler parts.

    Raises:
        SandboxError: one is not installed.
    """
    found = [place for pattern in _EQUIPMENT for place in sorted(Path("/").glob(pattern)) if not place.is_symlink()]
    return [(str(place), str(place)) for place in found] + [(where(name), f"{PROGRAMS}/{name}") for name in programs]


def where(program: str) -> str:
    """The real file of a program of the system.

    Raises:
        SandboxError: it is not installed.
    """
    path = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin")
    if path is None:
        raise SandboxError(f"programs={program!r} names an installed program", "it is not here", f"Install {program}")
    return os.path.realpath(path)


def standard_library() -> str:
    """Its folder."""
    return str(Path(os.__file__).resolve().parent)


def hidden() -> list[str]:
    """Folders inside the interpreter that hold other people's packages."""
    stdlib = standard_library()
    return [f"{stdlib}/site-packages", f"{stdlib}/dist-packages", "/usr/lib/python3/dist-packages"]
