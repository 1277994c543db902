"""The hostile corpus: code that does its worst, and what must come of it on each back end; files after it.

    python -m guerdon.testing.hostile --backend namespaces

runs every row, prints what became of it and how many of each row were held. A row of code is held when its outcome is
one that the list allows, the host and the next, innocent job on the same sandbox are well, and no process, file or
descriptor is left; one of files as `guerdon.testing.hostile_inputs` says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from guerdon.core.errors import SandboxError
from guerdon.sandbox import Job, Limits, Sandbox, open_sandbox
from guerdon.testing.hostile_rows import damage, lies, life, look, reach, shapes
from guerdon.testing.hostile_rows.files import STILL, Still
from guerdon.testing.hostile_rows.result import RowResult, line, table
from guerdon.testing.hostile_rows.row import Bait, Row

ROWS: list[Row] = [*life.ROWS, *damage.ROWS, *look.ROWS, *reach.ROWS, *lies.ROWS, *shapes.ROWS]
"""Every input that is code."""

ELSEWHERE = {
    "B13": "a sealed time is rounded where it is shown, by the bench; here the job has no secret to time",
    "C16": "an answer that behaves differently when it is graded shows as a gap between open and sealed scores",
}
"""Rows of the list that another part of the project holds."""

SLACK_S = 20.0  # over the limits of a row, for a machine that is busy with other things
PLACES = ("/tmp", "/dev/shm", "/var/tmp", "/dev", "/")  # where a job may try to leave files
INNOCENT = """
import json, os
def f(x):
    mask = os.umask(0o77)
    try:
        here = os.listdir(".")
    except PermissionError:
        here = []
    return [json.loads("[1, 2]"), sum([x, len("ab")]), mask, here, os.environ.get("TZ"), os.path.isdir(os.getcwd())]
"""
WELL = [[1, 2], 42, 0o77, [], "UTC", True]


def run_corpus(backend: str, only: Sequence[str] = ()) -> list[RowResult]:
    """Run the corpus against one back end.

    Args:
        backend: `namespaces` or `landlock`.
        only: ids, or beginnings of ids, to run; all when empty.

    Raises:
        SandboxError: the back end is not available, or is `trusted`, which these inputs would wreck.
    """
    if backend == "trusted":
        raise SandboxError("the corpus runs behind a wall", "got backend='trusted'", "Use namespaces or landlock")
    wanted = tuple(only) or ("",)
    with open_sandbox(backend) as sandbox, lay_out() as bait:
        found = [try_row(row, sandbox, bait) for row in ROWS if row.id.startswith(wanted)]
    return found + [try_still(still) for still in STILL if still.id.startswith(wanted)]


def try_row(row: Row, sandbox: Sandbox, bait: Bait) -> RowResult:
    """Run one hostile input, then look at what is left."""
    began = time.perf_counter()
    before = _holdings(bait)
    job = Job(source=row.source, entry="f", calls=row.arguments(bait), limits=row.limits)
    outcomes = sandbox.run([job])[0]
    problems = [row.check(outcomes)]
    spent = time.perf_counter() - began
    allowed = row.limits.wall_s * max(1, len(job.calls)) + SLACK_S
    if spent > allowed:
        problems.append(f"took {spent:.1f} s, over {allowed:g} s")
    if len(outcomes) != len(job.calls):
        problems.append(f"{len(outcomes)} outcomes for {len(job.calls)} calls")
    problems.append(_aftermath(row, sandbox))
    problems += left(before, _holdings(bait))
    got = "; ".join(dict.fromkeys((str(each.fault) if each.fault else repr(each.value))[:100] for each in outcomes))
    problem = "; ".join(text for text in problems if text)
    gap = row.gaps.get(sandbox.identity.partition("/")[0], "")
    return RowResult(row.id, row.title, not problem, got[:200], problem, time.perf_counter() - began, gap)


def try_still(still: Still) -> RowResult:
    """Look at one hostile input that does not run."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        problem = still.problem(Path(folder))
    return RowResult(still.id, still.title, not problem, "refused", problem, time.perf_counter() - began)


def _aftermath(row: Row, sandbox: Sandbox) -> str:
    """Run the row's second job and an innocent one."""
    calm = Limits(wall_s=10.0)
    jobs = [Job(source=INNOCENT, entry="f", calls=[(40,)], limits=calm)]
    if row.after:
        jobs.append(Job(source=row.after, entry="f", limits=calm))
    innocent, *after = (outcomes[0] for outcomes in sandbox.run(jobs))
    if innocent.fault or innocent.value != WELL:
        return f"the next job was not well: {innocent.fault or repr(innocent.value)}"
    if after and (after[0].fault or after[0].value != []):
        return f"the next job found {after[0].fault or repr(after[0].value)}"
    return ""


def _holdings(bait: Bait) -> dict[str, set[str]]:
    """What this process holds: descriptors, descendants, and files where a job may leave some."""
    return {
        "descriptors": set(_names("/proc/self/fd")),
        "processes": {str(pid) for pid in descendants(os.getpid())},
        "files": {
            f"{place}/{name}"
            for place in (*PLACES, bait.folder, ".")
            for name in _names(place)
            if name == "hostile" or name.startswith(("hostile-", "sitecustomize"))
        },
    }


def left(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """What there is more of than before. A zygote may have been replaced, so numbers count, not names."""
    return [
        f"left {len(after[kind]) - len(held)} {kind}: {' '.join(sorted(after[kind] - held))[:200]}"
        for kind, held in before.items()
        if len(after[kind]) > len(held)
    ]


def _names(folder: str) -> list[str]:
    try:
        return [path.name for path in Path(folder).iterdir()]
    except OSError:
        return []


def descendants(ancestor: int) -> set[int]:
    """Processes below one, zombies included, seen through /proc."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, _names("/proc")):
        try:
            after_name = Path("/proc", name, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(after_name[1]), []).append(int(name))
    found, queue = set(), [ancestor]
    while queue:
        for child in children.get(queue.pop(), []):
            found.add(child)
            queue.append(child)
    return found


@contextmanager
def lay_out() -> Iterator[Bait]:
    """Canaries, listening sockets and a key in this process's memory."""
    key = f"key-{secrets.token_hex(16)}"
    name = f"hostile-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o777)
        (folder / "canary").write_text("canary", "utf-8")
        (folder / "canary").chmod(0o644)
        inet = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(folder / "unix"))
        (folder / "unix").chmod(0o777)
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{name}")
        for listener in (unix, abstract):
            listener.listen()
        digest = hashlib.sha256(key.encode()).hexdigest()
        paths = (str(folder), str(folder / "canary"), inet.getsockname()[1], str(folder / "unix"))
        yield Bait(*paths, name, os.getpid(), socket.gethostname(), digest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the corpus from the command line; the exit status is 0 when every row was held or is a named gap."""
    parser = argparse.ArgumentParser(prog="python -m guerdon.testing.hostile", description=__doc__)
    parser.add_argument("--backend", default="namespaces", help="namespaces or landlock")
    parser.add_argument("--only", nargs="*", default=(), help="ids or their beginnings, such as A5 B C12a")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(arguments)
    try:
        results = run_corpus(options.backend, options.only)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    from guerdon.testing.hostile_inputs import run_files  # code is tried where the rest of the package is not

    results += run_files(options.only)
    if options.json:
        print(json.dumps({"backend": options.backend, "rows": [asdict(each) for each in results]}, indent=1))
    else:
        print("\n".join([*map(line, results), *table(results)]))
    return 0 if all(each.held or each.gap or each.skipped for each in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
