"""guerdon: pose a challenge, let a solver work on it, watch it, trust the record.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 no isolation for untrusted code; 4 a model provider
failed; 5 the ledger cannot be used; 130 interrupted (the same command goes on).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

COMMANDS = {
    "demo": ("demo", "Real puzzles, solved and reported, in a minute."),
    "solve": ("solve", "Let a solver work on a challenge, within a budget."),
    "list": ("show", "The runs in a ledger."),
    "show": ("show", "One run: figures, best answers, faults."),
    "report": ("show", "One self-contained HTML page about one or several runs."),
    "export": ("export", "Runs as a bundle, JSONL, parquet or training data."),
    "import": ("export", "Take a bundle, or a log of Inspect or lm-eval, into a ledger; twice is once."),
    "rejudge": ("rejudge", "Judge recorded attempts again; old verdicts stay."),
    "check": ("check", "A challenge's self-check: oracle, do-nothing, cheats, leaks."),
    "reproduce": ("reproduce", "Run a system's experiments and judge its claims."),
    "systems": ("systems", "The published systems in this workbench."),
    "reward": ("reward", "Learn a reward from preferences, audit it, score with it, serve it."),
    "contest": ("contest", "Host a contest: create, invite, change, close, reveal, export, log, forget."),
    "import-contest": ("import_contest", "Take over an EvalAI, Codabench or Kaggle contest."),
    "label": ("label", "Compare the items of a file by keyboard, and keep the choices."),
    "serve": ("serve", "Pages for contests, the queue, runs, systems and comparisons; a JSON API."),
    "submit": ("serve", "Hand in to a contest on a host, from a terminal."),
    "worker": ("worker", "Judge what is handed in to the contests of a data base."),
    "models": ("models", "Small language models to have on this machine."),
    "doctor": ("doctor", "What this machine can do, and how to get what is missing."),
}


def main(arguments: list[str] | None = None) -> None:
    """Run one command."""
    from guerdon.cli.out import boundary

    words = sys.argv[1:] if arguments is None else arguments
    with boundary():
        name = next((word for word in words if not word.startswith("-")), None)
        if name in COMMANDS:
            raise SystemExit(call(name, [word for i, word in enumerate(words) if i != words.index(name)]))
        system = own_command(name) if name else None
        if name and system:
            raise SystemExit(system(words[words.index(name) + 1 :]) or 0)
        raise SystemExit(_overview(words, name))


def own_command(name: str) -> Callable[[list[str]], int | None] | None:
    """What `guerdon SLUG` calls: the system's own command on a user's data, if it has one.

    >>> own_command("v3det").__module__, own_command("no-such-system")
    ('guerdon.systems.v3det.command', None)
    """
    place = f"{_package(name)}.__main__"
    return import_module(place).main if _package(name) and find_spec(place) else None


def _package(slug: str) -> str:
    """The package of a system, by its slug; "" when there is none."""
    place = f"guerdon.systems.{slug.replace('-', '_')}"
    return place if slug.replace("-", "").isalnum() and find_spec(place) else ""


def call(name: str, arguments: list[str]) -> int:
    """Run a command with its arguments, and return its exit code."""
    return run_app(import_module(f"guerdon.cli.{COMMANDS[name][0]}").app(name, arguments), name, arguments)


def run_app(app: Any, name: str, arguments: list[str]) -> int:
    """Run a Typer app as `guerdon NAME`, leaving our own errors to the boundary."""
    import typer

    code = typer.main.get_command(app).main(arguments, prog_name=f"guerdon {name}", standalone_mode=True)
    return int(code or 0)


def _overview(words: list[str], name: str | None) -> int:
    """`guerdon`, `guerdon --help`, `guerdon --version`, or an unknown command."""
    if name is not None:
        from guerdon.core.errors import ConfigError, did_you_mean

        if _package(name):
            raise ConfigError("a command of guerdon", f"{name} is a system without one", f"Try guerdon systems {name}")
        raise ConfigError("a command of guerdon", f"got {name!r}", did_you_mean(name, COMMANDS))
    if "--version" in words:
        from guerdon import __version__

        sys.stdout.write(f"guerdon {__version__}\n")
        return 0
    width = max(map(len, COMMANDS))
    lines = [f"  {command:<{width}}  {text}" for command, (_, text) in COMMANDS.items()]
    sys.stdout.write(
        "Usage: guerdon COMMAND [OPTIONS]\n\n"
        "A workbench for reward-driven problem solving: challenges, rewards, solvers,\n"
        "one ledger of attempts, sealed keys, honest verdicts.\n\nCommands:\n" + "\n".join(lines) + "\n\n"
        "guerdon SLUG is a system's own command on your data, as in guerdon v3det --help.\n"
        "guerdon COMMAND --help says more. Begin with:\n\n"
        "  guerdon demo\n\n"
        "Exit codes: 0 done, 1 failed, 2 usage, 3 no isolation, 4 provider, 5 ledger, 130 interrupted.\n"
    )
    return 0
