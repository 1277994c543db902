"""Prompts of published sets: Anthropic/hh-rlhf, openai/gsm8k, knkarthick/dialogsum, and plain files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError

SUMMARISE = "Summarise the dialogue in one or two sentences.\n\n{dialogue}"


def load(place: str, most: int | None = None) -> list[tuple[str, Any]]:
    """Prompts, each with what a comparer may know of it (the published answer, or `None`); equal prompts once.

    Args:
        place: a `.jsonl`, `.json`, `.parquet`, `.csv` or `.txt` file (a prompt a line), or `hub:NAME[:CONFIG]:SPLIT`
            for `datasets.load_dataset`, where NAME may be a local folder; or `tiny`, the prompts of the tiny text
            world.
        most: of them at most.

    Raises:
        ConfigError: the file cannot be read, or a row has no prompt.
    """
    rows = _tiny() if place == "tiny" else _hub(place[4:]) if place.startswith("hub:") else _file(Path(place))
    found: dict[str, Any] = {}
    for k, row in enumerate(rows, 1):
        prompt, key = prompt_and_key(row, f"{place.rpartition('/')[2]}, row {k}")
        found.setdefault(prompt, key)
        if most is not None and len(found) >= most:
            break
    if not found:
        raise ConfigError("a file with prompts", f"{place} has none", "Give one with prompt, question or dialogue")
    return list(found.items())


def prompt_and_key(row: Mapping[str, Any], where: str = "row") -> tuple[str, Any]:
    r"""The prompt of a row, and the published answer.

    | fields | set | prompt | key |
    | --- | --- | --- | --- |
    | question, answer | openai/gsm8k | the question | the answer, whose last number follows "####" |
    | dialogue, summary | knkarthick/dialogsum | a request and the dialogue | the summary |
    | chosen | Anthropic/hh-rlhf | the transcript up to its last "\n\nAssistant:" | none |
    | prompt | any | itself | `answer`, if there is one |

    >>> prompt_and_key({"chosen": "\n\nHuman: Hi\n\nAssistant: Hello"})
    ('\n\nHuman: Hi\n\nAssistant:', None)
    """
    if isinstance(row.get("prompt"), str):
        return row["prompt"], row.get("answer")
    if isinstance(row.get("question"), str):
        return row["question"], row.get("answer")
    if isinstance(row.get("dialogue"), str):
        return SUMMARISE.format(dialogue=row["dialogue"]), row.get("summary")
    turn = "\n\nAssistant:"
    if isinstance(row.get("chosen"), str) and turn in row["chosen"]:
        return row["chosen"].rpartition(turn)[0] + turn, None
    raise ConfigError(
        f"{where}: a prompt, question, dialogue or transcript as text",
        f"got the fields {', '.join(map(str, row))[:100] or 'none'}",
        "Rename the fields",
    )


def _tiny() -> Iterator[Mapping[str, Any]]:
    from guerdon.worlds.tiny_text import STYLES, TOPICS

    yield from ({"prompt": f"{topic} {style}"} for topic in TOPICS for style in STYLES)


def _file(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix == ".txt":
            yield from ({"prompt": line} for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                yield from csv.DictReader(stream)
        elif path.suffix == ".parquet":
            yield from _parquet(path)
        else:
            yield from _json(path)
    except (OSError, ValueError) as error:
        raise ConfigError("a readable file of prompts", f"{path.name}: {str(error)[:120]}", "Correct it") from None


def _json(path: Path) -> Iterable[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text) if path.suffix == ".json" else [json.loads(x) for x in text.splitlines() if x.strip()]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a list of objects")
    return rows


def _parquet(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ConfigError("parquet files need pyarrow", "it is missing", 'Run pip install "guerdon[parquet]"') from None
    rows: list[Mapping[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


def _hub(place: str) -> Iterable[Mapping[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise ConfigError("sets of the hub need datasets", "it is missing", 'Run pip install "guerdon[trl]"') from None
    name, *rest = place.split(":")
    if not 1 <= len(rest) <= 2:
        raise ConfigError(
            "hub:NAME:SPLIT or hub:NAME:CONFIG:SPLIT", f"got hub:{place}", "Write hub:openai/gsm8k:main:train"
        )
    found: Iterable[Mapping[str, Any]] = load_dataset(name, *rest[:-1], split=rest[-1])
    return found
