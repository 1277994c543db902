"""The ladder of back ends: the strongest that passes its self-test, or a refusal that names each rung."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from guerdon.core.errors import SandboxError, did_you_mean
from guerdon.sandbox import layout, selftest
from guerdon.sandbox.job import Rung, Sandbox
from guerdon.sandbox.pool import Pool

LADDER = ("namespaces", "landlock")
KINDS = (*LADDER, "trusted")
HOW = {
    "namespaces": "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or "
    "kernel.apparmor_restrict_unprivileged_userns), or start as root",
    "landlock": "use Linux 5.13 or newer with Landlock among its security modules (CONFIG_LANDLOCK, lsm=landlock,...)",
    "trusted": 'pass backend="trusted" to run code that you wrote yourself; it isolates nothing',
}
_passed: dict[str, str] = {}  # kind (with programs or not): identity, where the self-test passed in this process


def open_sandbox(
    backend: str = "auto", *, workers: int = 1, imports: Sequence[str] = (), programs: Sequence[str] = ()
) -> Sandbox:
    """A sandbox that has passed its self-test.

    Args:
        backend: `auto` for the strongest rung that works, or `namespaces`, `landlock`, `trusted` by name.
        workers: how many jobs run at the same time, each in a zygote of its own.
        imports: modules that are imported once, before any job (`numpy`, `typing`); others may be imported by the job
            itself if they belong to the standard library.
        programs: of the system (`g++`), that jobs may start; they lie in `/usr/bin`, with the system's libraries and
            headers. With any, a job may also start what it writes into its scratch space. All other walls stand for
            what is started, too. `landlock` starts no programs.

    Raises:
        ConfigError: the self-test finds no temporary folder.
        SandboxError: no rung works; the message names each one that was tried, why it failed and what to do.

    >>> from guerdon.sandbox import Job
    >>> with open_sandbox("trusted") as sandbox:
    ...     sandbox.run([Job(source="def f(x): return x + 1", entry="f", calls=[(1,), (2,)])])[0][1].value
    3
    """
    if backend != "auto" and backend not in KINDS:
        raise SandboxError(
            "backend is auto, namespaces, landlock or trusted", f"got {backend!r}", did_you_mean(backend, KINDS)
        )
    if workers < 1:
        raise SandboxError("workers is one or more", f"got {workers}", "Pass workers=1")
    for name in imports:
        layout.places(name)  # a missing package is not a missing rung
    for name in programs:
        layout.where(name)
    tried: list[str] = []
    for kind in LADDER if backend == "auto" else (backend,):
        try:
            return _open(kind, workers, imports, programs)
        except SandboxError as error:
            if "No module named" in error.got:
                raise SandboxError("imports can be imported inside", error.got, "Add it to imports as well") from None
            tried.append(f"{kind} ({error.got or error.expected})")
    raise SandboxError(
        "no isolation is available", f"tried {', '.join(tried)}", _advice("namespaces" if programs else backend)
    )


def survey() -> list[Rung]:
    """Start and test every rung of this machine, for `guerdon doctor`."""
    return [_rung(kind) for kind in KINDS]


def _rung(kind: str) -> Rung:
    began = time.perf_counter()
    _passed.pop(kind, None)  # test it again
    try:
        with _open(kind, 1, (), ()) as sandbox:
            available, detail = True, sandbox.identity
    except SandboxError as error:
        available, detail = False, error.got or error.expected
    return Rung(kind, available, detail, HOW[kind], time.perf_counter() - began)


def _advice(backend: str) -> str:
    rungs = LADDER if backend == "auto" else (backend,)
    if not sys.platform.startswith("linux"):
        return f"This is {sys.platform}: run it on Linux or in a Linux container, or {HOW['trusted']}"
    return f"Either {'; or '.join(HOW[kind] for kind in rungs)}; or {HOW['trusted']}"


def _open(kind: str, workers: int, imports: Sequence[str], programs: Sequence[str]) -> Pool:
    if not sys.platform.startswith("linux"):
        raise SandboxError(f"{kind} runs on Linux", f"this is {sys.platform}", HOW[kind])
    if programs and kind == "landlock":
        raise SandboxError("a sandbox that starts programs", "landlock starts none", HOW["namespaces"])
    pool = Pool(kind, workers, imports, programs)
    tested = f"{kind} with programs" if programs else kind
    try:
        pool.start()
        if tested not in _passed and kind != "trusted":
            problem = selftest.probe(pool.run)
            if problem:
                raise SandboxError(f"the {kind} sandbox passes its self-test", problem, HOW[kind])
            _passed[tested] = pool.identity
    except BaseException:
        pool.close()
        raise
    return pool
