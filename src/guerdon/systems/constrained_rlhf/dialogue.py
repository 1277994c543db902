"""The published problem: answers to dialogues of daily_dialog, with METEOR and intent as component rewards.

{"prompt": "How are you?<EOU>Fine.<EOU>", "reference": "Good to hear.", "intent": 1}     a line of a prompts file
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.reward import Need, Reward
from guerdon.core.task import Case
from guerdon.systems.constrained_rlhf.metric import meteor

EOU = "<EOU>"
CONTEXT = 5
LONGEST_PROMPT = 128
INTENT_MODEL = "rajkumarrrk/roberta-daily-dialog-intent-classifier"
SPLITS = {"train": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance to be answered.

    Args:
        prompt: the utterances before it, each closed by `<EOU>`.
        reference: what was said.
        intent: the dialogue act of what was said: 1 inform, 2 question, 3 directive, 4 commissive; `None` if unknown.
    """

    prompt: str
    reference: str
    intent: int | None = None

    @property
    def data(self) -> dict[str, Any]:
        """As a line of a file, without the mark where it is unknown."""
        found = {"prompt": self.prompt, "reference": self.reference}
        return found if self.intent is None else {**found, "intent": self.intent}


def turns(utterances: Sequence[str], acts: Sequence[int] = (), *, context: int = CONTEXT) -> Iterator[Turn]:
    """Each utterance but the first, with up to so many before it.

    >>> [turn.prompt for turn in turns(["a", "b", "c"], context=2)]
    ['a<EOU>', 'a<EOU>b<EOU>']
    """
    said = [each.strip() for each in utterances]
    for at in range(1, len(said)):
        before = said[max(0, at - context) : at]
        yield Turn("".join(f"{each}{EOU}" for each in before), said[at], acts[at] if at < len(acts) else None)


def daily_dialog(source: str = "daily_dialog", split: str = "train", *, context: int = CONTEXT) -> list[Turn]:
    """Turns of daily_dialog.

    Args:
        source: a folder in the format of its release (`dialogues_text.txt` with `__eou__`, `dialogues_act.txt`), a
            JSON-lines file with `dialog` and `act`, or a name that `datasets` loads.
        split: train, validation or test.
        context: utterances before the one that is to be answered.

    Raises:
        ConfigError: it is not there, or has other columns.
    """
    found = [turn for said, acts in _dialogues(source, split) for turn in turns(said, acts, context=context)]
    if not found:
        raise ConfigError("dialogues of two utterances or more", f"{source} has none", "Check the source")
    return found


def _dialogues(source: str, split: str) -> Iterator[tuple[list[str], list[int]]]:
    path = Path(source)
    if path.is_dir():
        return _released(path, split)
    rows = _lines(path) if path.suffix == ".jsonl" else _hub(source, split)
    return (_row(row, source) for row in rows)


def _row(row: Mapping[str, Any], source: str) -> tuple[list[str], list[int]]:
    said = row.get("dialog", row.get("utterances"))
    if not isinstance(said, list):
        got = f"{source} has {', '.join(map(str, row))}"
        raise ConfigError("a column `dialog` of utterances", got, "Name the columns dialog and act")
    return [str(each) for each in said], [int(each) for each in row.get("act", row.get("acts", ()))]


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.strip())
    except (OSError, ValueError) as error:
        raise ConfigError("a file of JSON lines", str(error)[:200], "Check the path and its lines") from None


def _released(folder: Path, split: str) -> Iterator[tuple[list[str], list[int]]]:
    """The layout of the authors' archive: a line for each dialogue, in the folder of the split or in the folder."""
    names = [(f"{split}/dialogues_{{}}_{split}.txt"), f"dialogues_{{}}_{split}.txt", "dialogues_{}.txt"]
    name = next((each for each in names if (folder / each.format("text")).is_file()), None)
    if name is None:
        got = f"{folder.name} has none for {split}"
        raise ConfigError("dialogues_text.txt as released", got, "Unpack the archive, or give a JSON-lines file")
    texts = (folder / name.format("text")).read_text(encoding="utf-8").splitlines()
    marks = folder / name.format("act")
    acts = marks.read_text(encoding="utf-8").splitlines() if marks.is_file() else [""] * len(texts)
    for said, act in zip(texts, acts, strict=True):
        yield [each for each in said.split("__eou__") if each.strip()], [int(each) for each in act.split()]


def _hub(source: str, split: str) -> Iterator[Mapping[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError:
        got = "datasets is not installed"
        raise ConfigError(f"{source} by the library datasets", got, 'Run pip install "guerdon[trl]"') from None
    try:
        return iter(load_dataset(source, split=split))
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the data set {source}", str(error)[:200], "Give a folder or a JSON-lines file") from None


def prompt_ids(tokenizer: Any, prompts: Sequence[str], *, longest: int = LONGEST_PROMPT) -> list[list[int]]:
    """Ids of prompts; what is too long loses its beginning.

    Args:
        tokenizer: of transformers.
        prompts: texts.
        longest: ids of a prompt at most.
    """
    found = [list(tokenizer(prompt, add_special_tokens=False)["input_ids"])[-longest:] for prompt in prompts]
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [each or [int(start)] for each in found]


# ---- component rewards -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meteor(Reward):
    """METEOR of a response against the reference of its case, each by itself."""

    label: ClassVar[str | None] = "meteor"

    def judge(self, cases: Sequence[Case]) -> list[float | None]:
        """From 0 to 1; `None` where there is no reference."""
        wanted = [_field(case, "reference") for case in cases]
        known = [k for k, each in enumerate(wanted) if each is not None]
        scores = meteor([str(cases[k].answer.content) for k in known], [str(wanted[k]) for k in known])
        found: list[float | None] = [None] * len(cases)
        for k, score in zip(known, scores):
            found[k] = score
        return found


@dataclass(frozen=True)
class Intent(Reward):
    """1 if a classifier hears the dialogue act of the reference in the response, else 0.

    It reads the last utterance of the prompt and the response, closed by `<EOU>`.

    Args:
        model: a folder or name of a sequence classification model of transformers.
        first: what class 0 of the model stands for among the marks of the cases.
        rows: read at once.
    """

    model: str = INTENT_MODEL
    first: int = 1
    rows: int = field(default=32, metadata={"recipe": False})

    label: ClassVar[str | None] = "intent"
    needs: frozenset[Need] = field(default=frozenset({Need.MODEL}), metadata={"recipe": False})

    def judge(self, cases: Sequence[Case]) -> list[float | None]:
        """0 or 1; `None` where the act of the reference is unknown."""
        marks = [_field(case, "intent") for case in cases]
        heard = self.acts([self.text(case) for case in cases])
        return [None if mark is None else float(int(mark) == act) for mark, act in zip(marks, heard, strict=True)]

    @staticmethod
    def text(case: Case) -> str:
        """What the classifier reads."""
        told = [each for each in str(case.task.data.get("prompt", "")).split(EOU) if each.strip()]
        return "".join(f"{each}{EOU}" for each in (*told[-1:], str(case.answer.content)))

    def acts(self, texts: Sequence[str]) -> list[int]:
        """The likeliest act of each text."""
        import torch

        tokenizer, model = _classifier(self.model)
        device, found = next(model.parameters()).device, []
        for at in range(0, len(texts), self.rows):
            some = list(texts[at : at + self.rows])
            batch = tokenizer(some, padding=True, truncation=True, max_length=LONGEST_PROMPT * 2, return_tensors="pt")
            with torch.no_grad():
                logits = model(**{name: each.to(device) for name, each in batch.items()}).logits
            found += (logits.argmax(-1) + self.first).tolist()
        return found


_loaded: dict[str, tuple[Any, Any]] = {}


def _classifier(name: str) -> tuple[Any, Any]:
    if name not in _loaded:
        try:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError:
            got = "transformers is not installed"
            raise ConfigError("a classifier by transformers", got, 'Run pip install "guerdon[train]"') from None
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForSequenceClassification.from_pretrained(name, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise RewardError(f"the classifier {name}", str(error)[:200], "Give a folder that holds it") from None
        _loaded[name] = tokenizer, model.eval()
    return _loaded[name]


def _field(case: Case, name: str) -> Any:
    """A field of the case's key, or of its task."""
    if isinstance(case.key, Mapping) and name in case.key:
        return case.key[name]
    return case.task.data.get(name)
