"""guerdon worker: judge what is handed in to the contests of a data base."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app
from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.hosting.ray_workers import RayWorkers
    from guerdon.hosting.worker import Worker


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(worker)
    return result


def worker(
    db: Annotated[str, typer.Option("--db", envvar="GUERDON_LEDGER", help="Path or URL of the data base.")],
    name: Annotated[str, typer.Option(help="Shown on the queue's page; host and process by default.")] = "",
    files: Annotated[str, typer.Option(help="Folder of submitted files, the same for all workers.")] = "",
    lease: Annotated[float, typer.Option(min=1.0, help="Seconds without a sign of life until it is given up.")] = 60.0,
    poll: Annotated[float, typer.Option(min=0.05, help="Seconds between looks at an empty queue.")] = 1.0,
    drain: Annotated[bool, typer.Option("--drain", help="End when nothing waits.")] = False,
    workers: Annotated[str, typer.Option(help="inline, or ray[:ADDRESS] for actors of a cluster.")] = "inline",
    count: Annotated[int | None, typer.Option(min=1, help="Actors of the cluster; as many as it has CPUs.")] = None,
    json: JsonOption = False,
) -> None:
    """Judge submissions until stopped. Start as many as the machine has room for, on as many machines as you like.

    Ctrl-C or SIGTERM puts back what is being judged. Killing a worker loses nothing: another takes it over.
    """
    from guerdon.hosting.worker import Report

    say = out.console(stderr=True)
    with _judging(workers, db, files or None, name, lease, poll, count) as one:

        def leave(number: int, frame: Any) -> None:
            one.stop()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, leave)

        def told(report: Report) -> None:
            say.print(out.clean(report), markup=False)

        def begun(worker: str) -> None:
            say.print(f"worker {out.clean(worker)} is ready", markup=False)

        judged = one.run(drain, told, begun)
    if json:
        out.say_json({"worker": name or workers, "judged": judged})


@contextmanager
def _judging(
    workers: str, db: str, files: str | None, name: str, lease: float, poll: float, count: int | None
) -> Iterator[Worker | RayWorkers]:
    """What judges: a worker in this process, or a cluster's."""
    where, _, address = workers.partition(":")
    if where == "ray":
        from guerdon.hosting.ray_workers import RayWorkers

        yield RayWorkers(db, files, address or None, count, lease, poll)
        return
    if workers != "inline":
        raise ConfigError(
            "--workers inline or ray[:ADDRESS]",
            f"got {workers!r:.60}",
            "Start the command once more for another worker",
        )
    from guerdon.hosting import Host
    from guerdon.hosting.worker import Worker

    with Host.open(db, create=False, files=files) as host:
        yield Worker(host, name, lease, poll)
