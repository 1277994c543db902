"""What the commands print: to people through Rich, to programs as JSON. Nothing hostile reaches the terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import GuerdonError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

UNBROKEN = ("run", "status", "begun", "slug", "model", "here", "commit", "date")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: object) -> str:
    r"""Text that can be shown: control characters, direction marks and lone surrogates become `\xNN` escapes.

    >>> clean("a\x1b[31mred")
    'a\\x1b[31mred'
    """
    return _CONTROL.sub(lambda m: m.group().encode("unicode_escape").decode(), str(text).replace("\r\n", "\n"))


def console(stderr: bool = False) -> Console:
    """The console for results, or for progress and errors."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def say_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table of cleaned, escaped cells; numbers to the right."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    view = Table(title=escape(clean(title)) if title else None, title_justify="left", header_style="bold", box=None)
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) or row[index] in ("", "–") for row in rows)
        view.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=name in UNBROKEN)
    for row in rows:
        view.add_row(*(cell if isinstance(cell, Text) else escape(clean(figure(cell))) for cell in row))
    return view


def figure(value: object) -> str:
    """A number for people; `None` is "–".

    >>> figure(1234567), figure(0.123456), figure(None), figure("x")
    ('1,234,567', '0.123', '–', 'x')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else (f"{value:,.0f}" if isinstance(value, float) else str(value))
    )


def spent_line(spent: Mapping[str, float]) -> str:
    """What a run has spent, in one line."""
    parts = [f"{int(spent.get('attempts', 0)):,} attempts", f"{spent.get('seconds', 0.0):.1f} s"]
    if spent.get("tokens"):
        parts.append(f"{int(spent['tokens']):,} tokens")
    if spent.get("frames"):
        rate = f" ({spent['frames'] / spent['seconds']:,.0f} a second)" if spent.get("seconds") else ""
        parts.append(f"{int(spent['frames']):,} frames{rate}")
    if spent.get("sandbox_seconds"):
        parts.append(f"{spent['sandbox_seconds']:.1f} s in the sandbox")
    return ", ".join(parts)


def _told(error: GuerdonError) -> int:
    """Say an error, and return its exit code."""
    from rich.markup import escape

    console(stderr=True).print(f"[bold red]error[/] {escape(clean(error))}")
    return error.exit_code


@contextmanager
def boundary() -> Iterator[None]:
    """Turn errors meant for people into one clean message and a documented exit code."""
    try:
        yield
    except GuerdonError as error:
        raise SystemExit(_told(error)) from None
    except ModuleNotFoundError as error:
        from guerdon.core.packages import missing

        if (said := missing(error)) is None:
            raise
        raise SystemExit(_told(said)) from None
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on where it stopped\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
