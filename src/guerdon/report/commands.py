"""The commands that a report names: go on, compare, export, judge again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from guerdon.core.plain import Json, canonical
from guerdon.ledger import RunRow
from guerdon.report.text import line

DEFAULT = "guerdon.db"
_BARE = re.compile("[A-Za-z0-9_-]+")


def place(url: str) -> str:
    """The option that names the ledger, without folders and passwords; empty for the default and in memory.

    >>> place("/home/me/runs.db"), place("postgresql+psycopg://me:secret@host:5432/lab")
    (' --ledger runs.db', ' --ledger postgresql://host:5432/lab')
    """
    if "://" not in url or url.startswith("sqlite"):
        name = url.rpartition("/")[2]
        return "" if name in ("", DEFAULT, ":memory:") else f" --ledger {_word(name)}"
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme.partition('+')[0]}://{server}{parts.path}"
    return f" --ledger {_word(url)}"


def commands(row: RunRow, ledger: str) -> list[tuple[str, str]]:
    """What each command does, and the command."""
    run = _word(row.id)
    first, judge = _of_a_log(run) if from_log(row) else _of_a_solver(row)
    said = [
        *first,
        ("Look at it in the terminal", f"guerdon show {run}"),
        ("Export every attempt", f"guerdon export {run} --to jsonl"),
        judge,
        ("Make this page again", f"guerdon report {run}"),
    ]
    return [(what, command + ledger) for what, command in said]


def from_log(row: RunRow) -> bool:
    """Whether another evaluator made the run: nothing here can go on with it."""
    plain = row.recipe.get("challenge")
    return isinstance(plain, Mapping) and "log" in plain


Said = tuple[str, str]


def _of_a_solver(row: RunRow) -> tuple[list[Said], Said]:
    again = "Do it again" if row.status == "done" else "Go on from where it stopped"
    again += " (recipe.toml is above; where data lies is not recorded)"
    limits = ",".join(f"{name}={_amount(value)}" for name, value in row.budget.items())
    solve = f"guerdon solve {_name(row, 'challenge')} --solver {_name(row, 'solver')} --recipe recipe.toml"
    solve += f" --split {_word(row.split)} --seed {row.seed}"
    if limits:
        solve += f" --budget {_word(limits)}"
    return [(again, solve)], ("Judge faults of the host again", f"guerdon rejudge {_word(row.id)}")


def _of_a_log(run: str) -> tuple[list[Said], Said]:
    return [], ("Judge its answers by a reward of your own", f"guerdon rejudge {run} --which all --reward mine.py:NAME")


def compare(rows: Sequence[RunRow], ledger: str) -> str:
    """The command that makes a page of several runs."""
    return f"guerdon report {' '.join(_word(row.id) for row in rows)}{ledger}"


def toml(row: RunRow) -> str:
    """The recipe as a file for `--recipe`: what flags can say; parts that are recipes themselves are named as such."""
    lines = []
    for table in ("challenge", "solver"):
        fields = row.recipe.get(table)
        lines.append(f"[{table}]")
        for name, value in (fields if isinstance(fields, Mapping) else {}).items():
            if name in ("kind", "fingerprint"):
                lines.append(f"# {name}: {line(str(value), 300)}")
            elif value is None or isinstance(value, Mapping):
                lines.append(f"# {name}: {line(canonical(value), 300)}")
            else:
                lines.append(f"{name if _BARE.fullmatch(name) else _toml(name)} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: Json) -> str:
    """JSON as TOML reads it: without JSON's pairs of escapes for letters beyond the first 65,536."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False).replace("\x7f", "\\u007f")
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _name(row: RunRow, part: str) -> str:
    """The name of a part of this package, or the class of somebody else's."""
    recipe = row.recipe.get(part)
    kind = recipe.get("kind") if isinstance(recipe, Mapping) else None
    ours = not isinstance(kind, str) or kind.startswith("guerdon.")
    return _word(str(getattr(row, part)) if ours else str(kind))


def _word(text: str) -> str:
    return shlex.quote(line(text, 200))


def _amount(value: Json) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
