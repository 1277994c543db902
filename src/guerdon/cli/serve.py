"""guerdon serve: the web application. guerdon submit: hand in to one, from a terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, DbOption, JsonOption, make_app
from guerdon.cli.pages import run, server_of_pages
from guerdon.core.errors import ConfigError

_WORKER = (
    "import ctypes; getattr(ctypes.CDLL(None), 'prctl', lambda *_: 0)(1, 15); "  # SIGTERM when the server is killed
    "from guerdon.cli.main import main; main()"
)


def app(name: str, _: list[str]) -> typer.Typer:
    """The command of this name."""
    commands: dict[str, Callable[..., None]] = {"serve": serve, "submit": submit}
    result = make_app()
    result.command(name)(commands[name])
    return result


def serve(
    db: DbOption = DEFAULT_LEDGER,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    host: Annotated[str, typer.Option(help="Serve everybody who was invited, from this address of the machine.")] = "",
    url: Annotated[str, typer.Option(help="With --host: the address that people type, as https://example.org.")] = "",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Judge here too, in so many processes.")] = 1,
    challenges: Annotated[str, typer.Option(help="With --host: folder of Python files that may be posed.")] = "",
    files: Annotated[str, typer.Option(help="Folder of submitted files, the same for all workers.")] = "",
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="Take addresses from a proxy here.")] = False,
) -> None:
    """Pages for contests, the queue, runs, systems and comparisons, with a JSON API.

    Without --host only this machine is served, without signing in: whoever can open the data base is the organiser.
    """
    from guerdon.hosting import Host
    from guerdon.web.settings import Settings

    server_of_pages()
    if url and not host:
        raise ConfigError("--url together with --host", "there is no --host", "Add --host 0.0.0.0")
    if host in ("0.0.0.0", "::") and not url:
        do = f"Add --url http://NAME:{port}, the address that people type"
        raise ConfigError("--url where every address is served", "there is none", do)
    settings = Settings(url=(url or f"http://{host}:{port}") if host else "", challenges=challenges)
    if settings.url.startswith("http:") and host not in ("", "127.0.0.1", "localhost"):
        out.console(stderr=True).print("Passwords travel in the clear over http: put a proxy with https in front.")
    with Host.open(db, files=files or None) as opened, _working(db, files, workers):
        invitation = _first_invitation(opened) if host else ""
        run(
            opened, settings, host or "127.0.0.1", port, behind_proxy=behind_proxy,
            say=lambda address: _say(address, invitation),
        )  # fmt: skip


def _say(address: str, invitation: str) -> None:
    sys.stdout.write(f"guerdon is at {address}\n")
    if invitation:
        sys.stdout.write(f"Nobody organises yet. Take this invitation: {address}/invitation#{invitation}\n")
    sys.stdout.flush()


def _first_invitation(host: Any) -> str:
    """An organiser's invitation, where there is nobody who could make one."""
    from guerdon.hosting import Actor, Role

    people = host.people.list(Actor.local())
    if any(each.role is Role.ORGANISER and not each.disabled for each in people):
        return ""
    return str(host.people.invite(Actor.local(), Role.ORGANISER))


@contextlib.contextmanager
def _working(db: str, files: str, count: int) -> Iterator[None]:
    """So many workers beside the server; one that dies is started again. The data base goes by environment."""
    command = [sys.executable, "-c", _WORKER, "worker"]
    command += ["--files", files] if files else []
    environment = {**os.environ, "GUERDON_LEDGER": db}
    over = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, start_new_session=True)

    def mind() -> None:
        pause = 1.0
        while not over.wait(pause):
            dead = [i for i, each in enumerate(running) if each.poll() is not None]
            for i in dead:
                running[i] = start()
            pause = min(pause * 2, 60.0) if dead else 1.0

    running += [start() for _ in range(count)]
    minder = threading.Thread(target=mind, daemon=True)
    minder.start()
    try:
        yield
    finally:
        over.set()
        minder.join()
        for each in running:
            each.terminate()
        for each in running:
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def submit(
    url: Annotated[str, typer.Argument(help="The host's address, as https://example.org.")],
    contest: Annotated[str, typer.Argument(help="The contest's name in addresses.")],
    file: Annotated[Path, typer.Argument(help="What to hand in.", exists=True, dir_okay=False, readable=True)],
    phase: Annotated[str, typer.Option(help="The first by default.")] = "",
    token: Annotated[str, typer.Option(envvar="GUERDON_TOKEN", help="From the account's page.")] = "",
    note: Annotated[str, typer.Option(help="For your team and the organisers.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it is judged; exit code 1 if it failed.")] = False,
    json: JsonOption = False,
) -> None:
    """Hand in to a contest, and follow it with --wait."""
    from guerdon.web.client import Client

    with Client(url, token) as client:
        made = client.submit(contest, file, phase, note, progress=_progress(file, json))
        if wait:
            with _spinner("waiting to be judged", json):
                made = client.wait(made["id"])
    if json:
        out.say_json(made)
    else:
        _tell(made, url)
    if wait and made["state"] != "done":
        raise typer.Exit(1)


def _tell(made: dict[str, Any], url: str) -> None:
    words = {"queued": "waits to be judged", "leased": "is being judged", "done": "is judged", "fault": "failed"}
    say = out.console()
    state = words.get(made["state"], made["state"])
    say.print(out.clean(f"{made['contest']}/{made['phase']} submission {made['id']} {state}"), markup=False)
    score, fault = made.get("score"), made.get("fault")
    if score:
        ends = "" if score["low"] is None else f", 95 % interval {score['low']:.4g} to {score['high']:.4g}"
        say.print(f"score {score['value']:.4g}{ends}", markup=False)
    elif made["state"] == "done":
        say.print("its score is hidden on this phase", markup=False)
    if fault:
        say.print(out.clean(fault["sentence"]), markup=False)
    say.print(out.clean(f"{url.rstrip('/')}/submissions/{made['id']}"), markup=False, soft_wrap=True)


def _progress(file: Path, json: bool) -> Callable[[int], None]:
    """A bar for files that take a while."""
    if json or file.stat().st_size < 8 << 20 or not sys.stderr.isatty():
        return lambda sent: None
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    bar = Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=out.console(stderr=True))
    task = bar.add_task("", total=file.stat().st_size)
    bar.start()

    def step(sent: int) -> None:
        bar.update(task, completed=sent)
        if sent >= file.stat().st_size:
            bar.stop()

    return step


@contextlib.contextmanager
def _spinner(text: str, json: bool) -> Iterator[None]:
    if json:
        yield
        return
    with out.console(stderr=True).status(text):
        yield
