"""guerdon check: a challenge's self-check, before anybody relies on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app
from guerdon.cli.flags import build, flags_of, with_flags

MARKS = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("not checked", "yellow")}


def app(name: str, arguments: list[str]) -> typer.Typer:
    """The command, with the flags of the challenge that the arguments name."""
    from guerdon.bench.loading import challenge_class

    posed = challenge_class(arguments[0]) if arguments and not arguments[0].startswith("-") else None
    flags = flags_of(posed, "challenge", ["challenge", "split", "sandbox", "json"]) if posed else []
    result = make_app()
    result.command(name)(with_flags(_check(posed), flags))
    return result


def _check(posed: Any) -> Callable[..., None]:
    def check(
        challenge: Annotated[str, typer.Argument(help="A system's slug, module:Class, or FILE.py[:NAME].")],
        split: Annotated[str | None, typer.Option(help="Split; the first by default.")] = None,
        sandbox: Annotated[str, typer.Option(help="auto, namespaces, landlock, or trusted (your own code).")] = "auto",
        json: JsonOption = False,
        *,
        fields: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Check a challenge: plain tasks, no leaks, oracle at the top, nothing for nothing, no gain by cheating.

        Exit code 1 when anything failed.
        """
        from guerdon.bench import check as bench
        from guerdon.sandbox import shared

        shared.configure(sandbox)
        problem = build(posed, fields.get("challenge", {}), "challenge")
        quiet = out.console(stderr=True)
        with quiet.status("checking") if not json else _Silent() as status:
            findings = list(bench.check(problem, split, on_step=status.update))
        if json:
            out.say_json([dataclasses.asdict(finding) for finding in findings])
        else:
            _tell(findings)
        if any(finding.ok is False for finding in findings):
            raise typer.Exit(1)

    return check


class _Silent:
    """A status line that says nothing."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, text: str) -> None:
        """Say nothing."""


def _tell(findings: list[Any]) -> None:
    from rich.text import Text

    console = out.console()
    for finding in findings:
        mark, style = MARKS[finding.ok]
        console.print(
            Text.assemble((f"{mark:>11}  ", style), out.clean(finding.name), "  ", (out.clean(finding.detail), "dim"))
        )
        for example in finding.examples:
            console.print(f"             {out.clean(example)}", markup=False)
