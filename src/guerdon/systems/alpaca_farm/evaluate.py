"""Annotating pairs and comparing models by a pool of annotators: what the command line does, as functions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, Pair, Preference
from guerdon.core.task import Answer
from guerdon.prefer.agreement import PoolQuality, pool_quality
from guerdon.rlhf.winrate import Compared, Correlation, compared, correlation
from guerdon.systems.alpaca_farm.data import Instruction, Outputs, Row, write_json

Done = Callable[[int, int], None]
"""Told after each portion how many pairs are done, and of how many."""
PORTION = 256
_SAID: Mapping[str | None, float | None] = {"left": 1, "right": 2, "tie": 1.5}


@dataclass(frozen=True)
class Entry:
    """One model of a leaderboard.

    Args:
        name: of the model.
        compared: with the reference, prompt by prompt.
    """

    name: str
    compared: Compared

    def plain(self) -> dict[str, Any]:
        """As JSON: the fields of `WinRate`, and the points of each prompt; unknown ones are null."""
        numbers = {**asdict(self.compared.rate), "points": self.compared.points.tolist()}
        return {name: _known(value) for name, value in numbers.items()}


def _known(value: Any) -> Any:
    if isinstance(value, list):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def evaluate(
    files: Sequence[str | Path],
    reference: str | Path,
    annotators: Preference,
    *,
    annotations: Path | None = None,
    done: Done | None = None,
) -> list[Entry]:
    """Compare the outputs of models with those of a reference, best first.

    Args:
        files: outputs of each model.
        reference: outputs of the reference, for the same instructions.
        annotators: who compares, such as a pool without noise.
        annotations: folder for a file of annotations of each model, in alpaca_eval's format.
        done: told of progress.

    Raises:
        ConfigError: a model lacks an instruction of the reference, or two models have one name.
    """
    base = Outputs.read(reference)
    models = [Outputs.read(path) for path in files]
    names = [file_name(each.generator) for each in models]
    if len(set(names)) != len(names):
        raise ConfigError("models of different names", f"got {sorted(names)}", "Set the generator in each file")
    for each in models:
        missing = [task for task in base.asked if task not in each.answers]
        if missing:
            got = f"{each.generator} lacks {len(missing)} of {len(base.asked)}"
            raise ConfigError("an output for each instruction of the reference", got, "Let it answer all")
    found = []
    for each in models:
        found.append(Entry(each.generator, _against(each, base, annotators, done)))
        if annotations is not None:
            write_json(annotations / file_name(each.generator), _annotations(each, base, found[-1].compared.choices))
    return sorted(found, key=lambda entry: -np.nan_to_num(entry.compared.rate.win_rate, nan=-1.0))


def file_name(model: str) -> str:
    """A file's name for a model's, whatever that is.

    >>> file_name("../org/Model 7B")
    'org-Model-7B.json'
    """
    return (re.sub(r"[^\w.-]+", "-", model).strip(".-")[:100] or "model") + ".json"


def _against(model: Outputs, base: Outputs, annotators: Preference, done: Done | None) -> Compared:
    tasks = [asked.task for asked in base.asked.values()]
    ours, theirs = ([side.answers[task.id] for task in tasks] for side in (model, base))
    return compared(_portioned(annotators, done), tasks, ours, theirs)


def _annotations(model: Outputs, base: Outputs, choices: Sequence[Choice]) -> list[Row]:
    """alpaca_eval's order: the reference is output_1, the model output_2."""
    return [
        {
            "instruction": asked.instruction,
            "input": asked.extra,
            "output_1": base.answers[task],
            "generator_1": base.generator,
            "output_2": model.answers[task],
            "generator_2": model.generator,
            "annotator": choice.judge,
            "preference": _SAID.get(choice.swapped().outcome),
        }
        for (task, asked), choice in zip(base.asked.items(), choices, strict=True)
    ]


@dataclass(frozen=True)
class _Portions(Preference):
    """Asks in portions, so that what is cached after each survives a kill."""

    inner: Preference
    done: Done | None

    @property
    def name(self) -> str:
        return self.inner.name

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        found: list[Choice] = []
        for at in range(0, len(pairs), PORTION):
            found += self.inner(pairs[at : at + PORTION])
            if self.done is not None:
                self.done(len(found), len(pairs))
        return found


def _portioned(annotators: Preference, done: Done | None) -> Preference:
    return _Portions(annotators, done)


# ---- annotating ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Annotated:
    """Pairs with preferences.

    Args:
        rows: in AlpacaFarm's format; those without a preference are left out.
        dropped: pairs on which nobody could say.
        coins: labels that were drawn by a coin.
    """

    rows: list[Row]
    dropped: int
    coins: int


def annotate(rows: Sequence[Row], annotators: Preference, *, done: Done | None = None) -> Annotated:
    """Label pairs, those that have a preference excepted.

    Args:
        rows: {"instruction", "input", "output_1", "output_2"}.
        annotators: a pool, with the noise of labels to train on.
        done: told of progress.

    Raises:
        ConfigError: a row lacks an output.
    """
    choices = dict(zip(*_asked(rows, annotators, done), strict=True))
    found, dropped = [], 0
    for k, row in enumerate(rows):
        choice = choices.get(k)
        if choice is None:
            found.append(row)
        elif choice.outcome in _SAID:
            found.append({**row, "annotator": choice.judge, "preference": _SAID[choice.outcome]})
        else:
            dropped += 1
    return Annotated(found, dropped, sum(bool(choice.note.get("noised")) for choice in choices.values()))


def _asked(rows: Sequence[Row], annotators: Preference, done: Done | None) -> tuple[list[int], list[Choice]]:
    open_ = [k for k, row in enumerate(rows) if row.get("preference") is None]
    return open_, _portioned(annotators, done)([_pair(rows[k], k) for k in open_])


def _pair(row: Row, number: int) -> Pair:
    sides = row.get("output_1"), row.get("output_2")
    if not all(isinstance(side, str) for side in sides):
        raise ConfigError("two outputs that are text", f"row {number} lacks one", "Pair samples first")
    task = Instruction.of(row, number).task
    return Pair(task, *(Answer(task.id, side) for side in sides))


# ---- what one leaderboard says of another ----------------------------------------------------------------------------


def table(entries: Sequence[Entry]) -> str:
    """A leaderboard as text, lengths beside each win-rate."""
    head = ("model", "win-rate", "s.e.", "95 %", "length-controlled", "length", "unknown")
    lines = [head]
    for entry in entries:
        rate = entry.compared.rate
        span = f"{rate.low:.1f}-{rate.high:.1f}"
        numbers = (f"{rate.win_rate:.1f}", f"{rate.standard_error:.1f}", span, f"{rate.length_controlled:.1f}")
        name = "".join(c if c.isprintable() else "?" for c in entry.name)[:60]
        lines.append((name, *numbers, f"{rate.avg_length:.0f}", str(rate.n_unknown)))
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(wide) if k == 0 else text.rjust(wide) for k, (text, wide) in enumerate(zip(line, widths)))
        for line in lines
    )


def boards_agree(one: str | Path, two: str | Path) -> Correlation:
    """How alike two leaderboards that `evaluate --board` wrote rank the models that both have.

    Raises:
        ConfigError: a file is no leaderboard, or fewer than three models are in both.
    """
    boards = [_board(Path(path)) for path in (one, two)]
    shared = [name for name in boards[0] if name in boards[1]]
    return correlation(*({name: board[name] for name in shared} for board in boards))


def _board(path: Path) -> dict[str, list[float]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        points = {name: [math.nan if x is None else float(x) for x in entry["points"]] for name, entry in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path.name} is a leaderboard with points", str(error)[:200], "Write it anew") from None
    return points


def write_board(path: str | Path, entries: Sequence[Entry]) -> None:
    """Write a leaderboard as JSON, by name."""
    write_json(path, {entry.name: entry.plain() for entry in entries})


# ---- what annotators are worth ---------------------------------------------------------------------------------------


def quality(pool: Sequence[Row], people: Sequence[Row]) -> PoolQuality:
    """Agreement, bias and variance of a pool against people, on the pairs that both have labelled.

    Args:
        pool: annotated pairs; a pair may be there once for each annotator, with its outputs in either order.
        people: the same by people.

    Raises:
        ConfigError: no pair is in both.
    """
    ours, theirs = _labels(pool), _labels(people)
    shared = [pair for pair in ours if pair in theirs]
    if not shared:
        got = f"got {len(ours)} and {len(theirs)} without one in common"
        raise ConfigError("pairs that both have labelled", got, "Annotate the same pairs")
    return pool_quality(*(_table([side[pair] for pair in shared]) for side in (ours, theirs)))


def _labels(rows: Sequence[Row]) -> dict[tuple[str, str, str], dict[str, str]]:
    """Pair to annotator to the label, "first" or "second" in the order of the texts; draws are no label."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for number, row in enumerate(rows):
        pair = _pair(row, number)
        low, high = sorted((pair.left.digest, pair.right.digest))
        told = {1: "first", 2: "second"}.get(row.get("preference") or 0)
        if told is None or low == high:
            continue
        if pair.left.digest != low:
            told = "second" if told == "first" else "first"
        found.setdefault((pair.task.id, low, high), {})[str(row.get("annotator") or number)] = told
    return found


def _table(labels: Sequence[Mapping[str, str]]) -> list[list[str | None]]:
    """A row for each pair, filled up with holes."""
    wide = max(len(each) for each in labels)
    return [[*each.values(), *[None] * (wide - len(each))] for each in labels]
