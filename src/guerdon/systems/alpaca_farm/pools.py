"""Pools of language models as annotators: from a file of alpaca_eval, from one's own, or the one that comes along.

A configuration names annotators: a prompt, a model, a temperature, a number of pairs per call, and one regular
expression per label. Models of 2023 are retired, so whoever annotates says which model stands behind a name.
"""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, Outcome, Pair, Preference
from guerdon.core.score import Fault, FaultKind
from guerdon.lm.protocol import Generation, Message, Model, Prompt, Sampling
from guerdon.prefer.annotators import TEMPLATE, Judge, Pool, completing
from guerdon.prefer.sets import prompt_of, response_of

_SLOT = re.compile(r"\{(instruction|output_1|output_2)\}")
_TURN = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>", re.DOTALL)
OPEN = "(?:^|\n) ?Output \\(a\\)", "(?:^|\n) ?Output \\(b\\)"
"""What most annotators of the published pool say."""


@dataclass(frozen=True, kw_only=True)
class LmAnnotator(Preference):
    """A language model that compares one pair, or several in one call.

    A reply is read from the left: each match of one of the two expressions is the answer to the next pair. Another
    number of matches than pairs is a fault for all of them, and no preference.

    Args:
        model: what is asked.
        label: its name.
        template: the prompt, with {instruction}, {output_1} and {output_2} once for each pair of a call; either text
            or turns between `<|im_start|>role` and `<|im_end|>`.
        first: matches when the first output is preferred.
        second: matches when the second is.
        batch: pairs of a call.
        temperature: of the drawing.
        most: tokens of a reply.
        seed: with prompt and label it fixes the draw.
    """

    model: Model = field(metadata={"recipe": False}, repr=False)
    label: str
    template: str
    first: str = OPEN[0]
    second: str = OPEN[1]
    batch: int = 1
    temperature: float = 1.0
    most: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        slots = [slot for slot in _SLOT.findall(self.template) if slot == "output_1"]
        if self.batch < 1 or len(slots) != self.batch:
            got = f"{self.label} has {len(slots)} and a batch of {self.batch}"
            raise ConfigError("as many places for pairs in a prompt as pairs of a call", got, "Make them agree")
        for each in (self.first, self.second):
            try:
                re.compile(each)
            except re.error as error:
                raise ConfigError("regular expressions", f"{each!r}: {error}", "Mend it") from None

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """One batch of calls; identical outputs are a tie without a call."""
        found = [Choice("tie", judge=self.label, note={"calls": 0.0})] * len(pairs)
        asked = [k for k, pair in enumerate(pairs) if pair.left.digest != pair.right.digest]
        groups = [asked[at : at + self.batch] for at in range(0, len(asked), self.batch)]
        prompts = [self.prompt([pairs[k] for k in group]) for group in groups]
        sampling = Sampling(max_tokens=self.most, temperature=self.temperature, seed=self.seed)
        told = self.model.generate(prompts, sampling) if prompts else []
        for group, (reply, *_) in zip(groups, told, strict=True):
            for k, choice in zip(group, self._read(reply, len(group)), strict=True):
                found[k] = choice
        return found

    def prompt(self, pairs: Sequence[Pair]) -> Prompt:
        """What is asked about some pairs; places that are left over get the last pair again."""
        values = {name: iter(_texts(pairs, name, self.batch)) for name in ("instruction", "output_1", "output_2")}
        turns = _TURN.findall(self.template)
        if not turns:
            return _SLOT.sub(lambda slot: next(values[slot.group(1)]), self.template)
        said = [(role, _SLOT.sub(lambda slot: next(values[slot.group(1)]), text)) for role, text in turns]
        return tuple(Message(role, text.strip()) for role, text in said)

    def _read(self, reply: Generation, count: int) -> list[Choice]:
        note = {"calls": 1 / count, "tokens": float((reply.tokens or 0) + (reply.prompt_tokens or 0)) / count}
        told = reply.fault or self.parsed(reply.text, count)
        if isinstance(told, Fault):
            return [Choice(None, judge=self.label, fault=told, note=note)] * count
        return [Choice(each, judge=self.label, note=note) for each in told]

    def parsed(self, text: str, count: int) -> list[Outcome] | Fault:
        """The answers to `count` pairs that a reply has, or why it has none."""
        hits = [(at, "left") for at in _places(self.first, text)] + [(at, "right") for at in _places(self.second, text)]
        said: list[Outcome] = ["left" if side == "left" else "right" for _, side in sorted(hits)]
        if self.batch == 1 and len(set(said)) == 1:
            return said[:1]
        if self.batch == 1 or len(said) not in (count, self.batch):
            return Fault(FaultKind.JUDGE, f"{self.label}: {len(said)} answers to {count} pairs in {text[-80:]!r}")
        return said[:count]


def _places(expression: str, text: str) -> list[int]:
    return [found.start() for found in re.finditer(expression, text)]


def _texts(pairs: Sequence[Pair], name: str, batch: int) -> list[str]:
    padded = [*pairs, *[pairs[-1]] * (batch - len(pairs))]
    if name == "instruction":
        return [_plain(prompt_of(pair.task)) for pair in padded]
    return [_plain(response_of(pair.left if name == "output_1" else pair.right)) for pair in padded]


def _plain(text: Any) -> str:
    """Text without the marks of turns, which an output must not be able to write."""
    whole = text if isinstance(text, str) else "\n\n".join(f"{m['role']}: {m['content']}" for m in text)
    return re.sub(r"<\|im_(start|end)\|>", "", whole)


# ---- configurations --------------------------------------------------------------------------------------------------


def pool(
    configuration: str | Path,
    models: Mapping[str, Model],
    *,
    noise: float = 0.0,
    seed: int = 0,
) -> Pool:
    """A pool of language models.

    Args:
        configuration: "default"; "greedy", which is one prompt at temperature 0, without any variability; or a file:
            alpaca_eval's `configs.yaml`, or the same fields as JSON or TOML. Prompt files are looked for beside it and
            in the two folders above.
        models: model behind each `model_name`; "" stands for every name that is not there.
        noise: chance that a label is a fair coin: 0.5 to train on (25 % flips), 0 to evaluate.
        seed: of all draws.

    Raises:
        ConfigError: the file is not there, an annotator is not whole, or a model is missing.
    """
    if str(configuration) == "default":
        return Pool(members=_judges(models, VIEWS, 1.0, seed), noise=noise, seed=seed)
    if str(configuration) == "greedy":
        return Pool(members=_judges(models, {"plain": ""}, 0.0, seed), noise=noise, seed=seed)
    settings = _read(Path(configuration))
    members = tuple(_member(name, fields, models, seed) for name, fields in settings.items())
    return Pool(members=members, noise=noise, seed=seed)


def _member(name: str, fields: Mapping[str, Any], models: Mapping[str, Model], seed: int) -> LmAnnotator:
    try:
        completion = dict(fields.get("completions_kwargs") or {})
        matches = {
            str(key): str(value) for key, value in fields["completion_parser_kwargs"]["outputs_to_match"].items()
        }
        wanted = str(completion.get("model_name", ""))
        model = models.get(wanted) or models.get("")
        if model is None:
            got = f"nothing for {wanted!r}, which {name} asks for"
            raise ConfigError("a model behind each name", got, "Name one for all, or NAME=MODEL")
        return LmAnnotator(
            model=model,
            label=name,
            template=fields["template"],
            first=matches["1"],
            second=matches["2"],
            batch=int(fields.get("batch_size", 1)),
            temperature=float(completion.get("temperature", 1.0)),
            most=int(completion.get("max_tokens", 250)),
            seed=seed,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"{name} lacks {error}"[:200]
        raise ConfigError("a prompt, and expressions for 1 and 2 in outputs_to_match", got, "See the page") from None


def _behind(name: str, models: Mapping[str, Model]) -> Model:
    found = models.get(name) or models.get("")
    if found is None:
        raise ConfigError("a model behind each name", f"none for {name!r}", "Name one for all, or NAME=MODEL")
    return found


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        found = _parsed(path.suffix, text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} is YAML, JSON or TOML", str(error)[:200], "Mend it") from None
    if not isinstance(found, dict) or not found or not all(isinstance(each, dict) for each in found.values()):
        raise ConfigError(f"{path.name} has annotators by name", f"got {type(found).__name__}", "See the page")
    return {name: _with_prompt(path, name, fields) for name, fields in found.items()}


def _parsed(suffix: str, text: str) -> Any:
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix not in (".yaml", ".yml"):
        return json.loads(text)
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ConfigError("PyYAML reads YAML", "it is not installed", "pip install pyyaml") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _with_prompt(path: Path, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    if "template" in fields:
        return dict(fields)
    wanted = str(fields.get("prompt_template", ""))
    places = (folder / wanted for folder in islice((path.parent, *path.parents), 3))
    file = next((place for place in places if wanted and place.is_file()), None)
    if file is None:
        raise ConfigError(f"the prompt of {name}", f"no file {wanted!r} beside {path.name}", "Put it there")
    return {**fields, "template": file.read_text(encoding="utf-8")}


# ---- the pool that comes along ---------------------------------------------------------------------------------------

VIEWS: Mapping[str, str] = {
    "plain": "",
    "correct": "You check facts: errors weigh more than style.\n\n",
    "useful": "You made this request yourself: which response helps you more, and wastes less of your time?\n\n",
    "obedient": "What counts is whether a response does what was asked, in the form that was asked for.\n\n",
    "reader": "You read for pleasure: clear, lively and to the point is better.\n\n",
    "brief": "Say only the verdict.\n\n",
    "reasons": "Say in two sentences what sets the responses apart before you decide.\n\n",
}
"""What the annotators of the default pool look at. With one model, they differ in their prompts only."""


def _judges(models: Mapping[str, Model], views: Mapping[str, str], temperature: float, seed: int) -> tuple[Judge, ...]:
    """A judge for each view and model."""
    found = []
    for kind, model in models.items():
        for name, view in views.items():
            complete = completing(model, Sampling(max_tokens=300, temperature=temperature, seed=seed))
            label = f"{kind}-{name}" if kind else name
            found.append(Judge(complete=complete, label=label, template=view + TEMPLATE, seed=seed))
    return tuple(found)
