"""AlpacaFarm's data: its splits, its two prompts, and the files that models and annotators exchange.

    instruction   {"instruction", "input" (may be ""), "output"}
    pair          {"instruction", "input", "output_1", "output_2"} and, annotated, "annotator" and "preference"
    outputs       a list of {"instruction", "output", "generator", "dataset"}, as alpaca_eval writes them

Pairs are read and written by `guerdon.prefer` (format "alpaca-farm"); the rest is here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import digest
from guerdon.core.task import Task
from guerdon.prefer.files import read, read_rows
from guerdon.prefer.sets import PreferenceSet

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Row = dict[str, Any]
HUB = "tatsu-lab/alpaca_farm"
SPLITS: Mapping[str, tuple[str, str]] = {
    "sft": ("alpaca_instructions", "sft"),
    "preference": ("alpaca_instructions", "preference"),
    "unlabeled": ("alpaca_instructions", "unlabeled"),
    "val": ("alpaca_instructions", "val"),
    "human": ("alpaca_human_preference", "preference"),
    "gpt4": ("alpaca_gpt4_preference", "preference"),
    "noisy": ("alpaca_noisy_multi_preference", "preference"),
    "eval": ("alpaca_farm_evaluation", "eval"),
}
"""Name here: configuration and split on the hub. Three are pairs: human, gpt4 and noisy."""
PAIRS = ("human", "gpt4", "noisy")
_WITHOUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
_WITH = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)


@dataclass(frozen=True)
class Instruction:
    """What a model is asked.

    Args:
        instruction: the request.
        extra: what it is about; "" if nothing.
        output: an answer to learn from, or to compare with; "" if there is none.
        dataset: where it is from.
    """

    instruction: str
    extra: str = ""
    output: str = ""
    dataset: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any], number: int = 0) -> Instruction:
        """From a row of a file.

        Raises:
            ConfigError: the instruction is no text, or another field is none.
        """
        fields = [row.get(name) or "" for name in ("instruction", "input", "output", "dataset")]
        if not all(isinstance(each, str) for each in fields) or not fields[0]:
            got = f"got {sorted(row)} in row {number}"
            raise ConfigError("texts: an instruction and perhaps input, output and dataset", got, "Mend the file")
        return cls(*fields)

    @property
    def prompt(self) -> str:
        """What a model that was trained on these data reads: the Alpaca prompt with or without input.

        The wording is that of the published data, since models are trained on it to the letter.
        """
        template = _WITH if self.extra else _WITHOUT
        return _filled(template, {"instruction": self.instruction, "input": self.extra})

    @property
    def asked(self) -> str:
        """What annotators read: instruction and input."""
        return f"{self.instruction}\n\n{self.extra}" if self.extra else self.instruction

    @property
    def task(self) -> Task:
        """As a task of a preference; the same instruction is always the same task."""
        return Task(digest("alpaca-farm", self.instruction, self.extra)[:16], {"prompt": self.asked})


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Filled in from the left, so that braces in a text stay what they are."""
    found, rest = "", template
    for name, value in values.items():
        before, slot, after = rest.partition("{" + name + "}")
        found, rest = (found + before + value, after) if slot else (found, rest)
    return found + rest


def load(source: str | Path, split: str) -> list[Row]:
    """Rows of a split, from a folder or from the hub.

    Args:
        source: a folder with `<split>.json` or, for pairs, `<configuration>.json`; or the name of a data set on the
            hub, `tatsu-lab/alpaca_farm` (CC BY-NC 4.0), which needs the package `datasets`.
        split: one of `SPLITS`.

    Raises:
        ConfigError: there is no such split or file.
    """
    if split not in SPLITS:
        raise ConfigError("a split of AlpacaFarm", f"got {split!r}", did_you_mean(split, list(SPLITS)))
    folder = Path(source)
    if folder.is_dir():
        names = [f"{split}.json", f"{SPLITS[split][0]}.json"][: 2 if split in (*PAIRS, "eval") else 1]
        file = next((folder / name for name in names if (folder / name).is_file()), None)
        if file is None:
            raise ConfigError(f"the split {split} as {' or '.join(names)}", f"not in {folder.name}", "Put it there")
        return rows_of(file)
    return _from_hub(str(source), *SPLITS[split])


def _from_hub(name: str, configuration: str, split: str) -> list[Row]:
    """Through the hub's own Parquet copy: the data set itself is a script, which `datasets` 4 no longer runs."""
    try:
        import datasets
    except ImportError:
        got = "the package datasets is not installed"
        raise ConfigError(f"{name} is a folder, or datasets is there", got, 'pip install "guerdon[trl]"') from None
    found = datasets.load_dataset(name, configuration, split=split, revision="refs/convert/parquet")
    return [dict(row) for row in found]


def rows_of(path: str | Path) -> list[Row]:
    """Rows of a JSON list, or of a file with one row per line.

    Raises:
        ConfigError: it is neither.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        found = [json.loads(line) for line in text.splitlines() if line.strip()] if _lines(path) else json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} is JSON", str(error)[:200], "Write a list of objects") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ConfigError(f"{path.name} is a list of objects", f"got {type(found).__name__}", "Write a list")
    return found


def _lines(path: Path) -> bool:
    return path.suffix in (".jsonl", ".ndjson")


def pairs(source: str | Path, split: str = "noisy") -> PreferenceSet:
    """Annotated pairs of a split, or of a file of one's own."""
    if Path(source).is_file():
        return read(source, "alpaca-farm").rows
    return read_rows(load(source, split), "alpaca-farm").rows


def pairs_of_samples(rows: Iterable[Row], rng: Rng, *, each: int = 1) -> list[Row]:
    """Pairs to annotate out of rows whose output is a list of samples.

    Args:
        rows: {"instruction", "input", "output": [...]} with at least two samples.
        rng: draws which ones, without repeating a pair of a row.
        each: pairs of each row; fewer where there are not as many.

    Raises:
        ConfigError: a row has fewer than two samples.
    """
    found = []
    for number, row in enumerate(rows):
        samples = row.get("output")
        if not isinstance(samples, list) or len(samples) < 2:
            raise ConfigError("two samples or more in each row", f"row {number} has none", "Sample each prompt twice")
        sides = list(combinations(range(len(samples)), 2))
        for k in rng.choice(len(sides), size=min(each, len(sides)), replace=False).tolist():
            one, two = sides[k]
            rest = {"instruction": row["instruction"], "input": row.get("input") or ""}
            found.append({**rest, "output_1": samples[one], "output_2": samples[two]})
    return found


@dataclass(frozen=True)
class Outputs:
    """What a model answered.

    Args:
        generator: its name.
        answers: text of each task, by the task's id.
        asked: the instruction of each, by the task's id.
    """

    generator: str
    answers: Mapping[str, str]
    asked: Mapping[str, Instruction]

    @classmethod
    def read(cls, path: str | Path) -> Outputs:
        """Read a file of outputs, one for each instruction.

        Raises:
            ConfigError: an instruction is there twice, or an output is no text.
        """
        rows = rows_of(path)
        found: dict[str, str] = {}
        asked: dict[str, Instruction] = {}
        for number, row in enumerate(rows):
            if not isinstance(row.get("output"), str):
                raise ConfigError("an output that is text", f"row {number} has none", "Write one for each instruction")
            each = Instruction.of(row, number)
            if each.task.id in found:
                got = f"row {number} has one that was there before"
                raise ConfigError("one output for each instruction", got, "Keep one of them")
            found[each.task.id], asked[each.task.id] = each.output, each
        names = {str(row["generator"]) for row in rows if row.get("generator")}
        return cls(names.pop() if len(names) == 1 else Path(path).stem, found, asked)


def write_outputs(path: str | Path, asked: Sequence[Instruction], answers: Sequence[str], generator: str) -> None:
    """Write what a model answered, for `evaluate` here and for alpaca_eval."""
    rows = [
        {
            "dataset": each.dataset,
            "instruction": each.instruction,
            "input": each.extra,
            "output": text,
            "generator": generator,
        }
        for each, text in zip(asked, answers, strict=True)
    ]
    write_json(path, rows)


def write_json(path: str | Path, rows: Any) -> None:
    """Write JSON so that a kill leaves the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
