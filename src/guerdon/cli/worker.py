"""guerdon worker: judge what is handed in to the contests of a data base."""

from __future__ import annotations

import signal
from typing import Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app


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
    json: JsonOption = False,
) -> None:
    """Judge submissions until stopped. Start as many as the machine has room for, on as many machines as you like.

    Ctrl-C or SIGTERM puts back what is being judged. Killing a worker loses nothing: another takes it over.
    """
    from guerdon.hosting import Host
    from guerdon.hosting.worker import Report, Worker

    say = out.console(stderr=True)
    with Host.open(db, create=False, files=files or None) as host:
        one = Worker(host, name, lease, poll)

        def leave(number: int, frame: Any) -> None:
            one.stop()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, leave)

        def told(report: Report) -> None:
            say.print(out.clean(report), markup=False)

        say.print(f"worker {out.clean(one.name)} is ready", markup=False)
        count = one.run(drain, told)
    if json:
        out.say_json({"worker": one.name, "judged": count})
