"""A reward in a folder: everything that is needed to score with it elsewhere, in JSON and safetensors.

    reward.json            what it is: members, how they are combined, encoding, where it comes from
    member-0/ ...          weights and scale of each member
    tokenizer/ encoder/ backbone/     of transformers, where it is made of them

`load` opens such a folder, a sequence classifier (folder or hub id), or a reward named in code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import Json, canonical, digest
from guerdon.core.reward import ANY, Range, Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case
from guerdon.prefer.ensembles import Mode, combined
from guerdon.prefer.models import Backbone, Body, RewardModel, Rows, Vectors, described, portions
from guerdon.prefer.sets import Text, is_text, prompt_of
from guerdon.rlhf.encoding import Encoding, Pretrained, from_pretrained, opened
from guerdon.train.tiny_nets import TinyGRU, TinyTransformer

Floats: TypeAlias = npt.NDArray[np.float64]
FORMAT = "guerdon-kept-reward-1"
MODES = ("mean", "wco", "uwo")
_TINY: dict[str, Any] = {each.__name__: each for each in (TinyTransformer, TinyGRU, Vectors)}
BUDGET = 16_384
"""Tokens that a classifier scores at once."""


@dataclass(frozen=True)
class KeptReward(Reward):
    """One or several reward models with what makes their rows, as one reward.

    The score of an answer has the members' own scores as parts and their standard deviation as spread. An answer that
    is neither text nor messages is a fault.

    Args:
        members: standardised reward models of one body.
        encoding: makes rows of prompts and responses.
        mode: how members are combined: mean, wco or uwo (arXiv 2310.02743).
        penalty: of uwo.
        lineage: where it comes from, as plain data.
        folder: where it is kept, if it is.
    """

    members: tuple[RewardModel, ...] = field(metadata={"recipe": False})
    encoding: Encoding = field(metadata={"recipe": False})
    mode: Mode = "mean"
    penalty: float = 0.5
    lineage: Mapping[str, Json] = field(default_factory=dict, metadata={"recipe": False})
    folder: Path | None = field(default=None, metadata={"recipe": False})
    range: Range = field(default=ANY, metadata={"recipe": False})

    def __post_init__(self) -> None:
        if not self.members or self.mode not in MODES or not self.penalty >= 0:
            got = f"got {len(self.members)}, {self.mode!r} and {self.penalty}"
            raise ConfigError("members, a mode of mean, wco or uwo, and a penalty of at least 0", got, "Change them")

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.resolve().name if self.folder else "learned"

    def __reduce__(self) -> Any:
        if self.folder is None:
            return super().__reduce__()
        return _again, (str(self.folder), self.fingerprint())

    def fingerprint(self) -> Json:
        """The digests of all members and of the encoding."""
        return digest([member.digest() for member in self.members], self.encoding.plain())

    def member_scores(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Floats:
        """(k, n) what each of k members says."""
        rows = self.encoding.rows(prompts, responses)
        if not len(rows):
            return np.zeros((len(self.members), 0))
        return np.stack([member.scores(rows) for member in self.members])

    def scores(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Floats:
        """(n,) the scores of responses to prompts."""
        return combined(self.member_scores(prompts, responses), self.mode, self.penalty)

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Score a batch."""
        fine = [k for k, case in enumerate(cases) if is_text(case.answer.content)]
        found = [Score.failed(FaultKind.INVALID, "is neither text nor messages") for _ in cases]
        told = self.member_scores(
            [prompt_of(cases[k].task) for k in fine], [cast(Text, cases[k].answer.content) for k in fine]
        )
        for k, each in zip(fine, told.T, strict=True):
            found[k] = self._score(each)
        return found

    def _score(self, each: Floats) -> Score:
        if not np.isfinite(each).all():
            return Score.failed(FaultKind.JUDGE, "a member's score is not finite")
        parts = {f"member-{m}": float(value) for m, value in enumerate(each)} if len(each) > 1 else {}
        spread = float(each.std()) if len(each) > 1 else None
        return Score(float(combined(each, self.mode, self.penalty)), parts=parts, spread=spread)

    # ---- the folder --------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> KeptReward:
        """Write it to a folder; `reward.json` comes last, so a folder that has it is whole.

        Returns:
            The same reward, which knows its folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "reward.json").unlink(missing_ok=True)
        for k, member in enumerate(self.members):
            member.save(folder / f"member-{k}")
        self.encoding.save(folder)
        body = self.members[0].body
        if isinstance(body, Backbone):
            body.module.config.save_pretrained(str(folder / "backbone"))
        plain = {
            "format": FORMAT,
            "members": [member.digest() for member in self.members],
            "combine": self.mode,
            "penalty": self.penalty,
            "body": described(body),
            "encoding": self.encoding.plain(),
            "lineage": dict(self.lineage),
        }
        draft = folder / "reward.json.part"
        draft.write_text(canonical(plain), encoding="utf-8")
        draft.replace(folder / "reward.json")
        return KeptReward(self.members, self.encoding, self.mode, self.penalty, self.lineage, folder)

    @classmethod
    def load(cls, folder: str | Path) -> KeptReward:
        """Read what `save` wrote.

        Raises:
            RewardError: it is not there, not whole, or of a kind that is not known.
        """
        folder = Path(folder)
        try:
            plain = json.loads((folder / "reward.json").read_text(encoding="utf-8"))
            if plain["format"] != FORMAT:
                raise RewardError(
                    f"a folder of {FORMAT}", f"got {plain['format']!r:.80}", "Use a guerdon that wrote it"
                )
            body = _body(plain["body"], folder)
            encoding = opened(plain["encoding"], folder)
            members = tuple(RewardModel.load(folder / f"member-{k}", body) for k in range(len(plain["members"])))
            mode, penalty, lineage = plain["combine"], float(plain["penalty"]), dict(plain["lineage"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            got = f"{type(error).__name__}: {str(error)[:120]}"
            raise RewardError(f"{folder.name} holds a kept reward", got, "Fit it again, or copy all of it") from None
        if [member.digest() for member in members] != plain["members"]:
            raise RewardError("the members that were saved", "a file has changed since", "Copy the folder again")
        return cls(members, encoding, mode, penalty, lineage, folder)


@dataclass(frozen=True)
class Classifier(Reward):
    """A sequence classifier of transformers with one output, whatever its head, as a reward.

    Args:
        name_or_path: folder or hub id.
        model: the classifier.
        encoding: its tokenizer.
    """

    name_or_path: str
    model: Any = field(repr=False, metadata={"recipe": False})
    encoding: Pretrained = field(repr=False, metadata={"recipe": False})
    range: Range = field(default=ANY, metadata={"recipe": False})

    @property
    def name(self) -> str:
        """The last part of its id."""
        return Path(self.name_or_path).name

    def __reduce__(self) -> Any:
        return load, (self.name_or_path,)

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Score a batch, in groups of like length."""
        fine = [k for k, case in enumerate(cases) if is_text(case.answer.content)]
        found = [Score.failed(FaultKind.INVALID, "is neither text nor messages") for _ in cases]
        rows = self.encoding.rows(
            [prompt_of(cases[k].task) for k in fine], [cast(Text, cases[k].answer.content) for k in fine]
        )
        for k, value in zip(fine, self._values(rows), strict=True):
            found[k] = Score(value) if math.isfinite(value) else Score.failed(FaultKind.JUDGE, "is not finite")
        return found

    def _values(self, rows: Rows) -> list[float]:
        import torch

        values = np.zeros(len(rows))
        for some in portions(rows.lengths, BUDGET):
            ids, mask = rows.take(some).tensors()
            with torch.no_grad():
                values[some] = self.model(input_ids=ids, attention_mask=mask.long()).logits[:, 0].double().numpy()
        return [float(value) for value in values]


def load(ref: str | Path) -> Reward:
    """A reward by what names it.

    Args:
        ref: the folder of a kept reward; the folder or hub id of a sequence classifier with one label; or code, as
            `module:NAME` or `FILE.py[:NAME]` (a reward, or a class or function that makes one).

    Raises:
        ConfigError: it is none of these.
        RewardError: the folder is damaged.
    """
    path, text = Path(ref), str(ref)
    if (path / "reward.json").is_file():
        return KeptReward.load(path)
    if path.is_dir() and not (path / "config.json").is_file():
        got = "it is not finished" if (path / "training").is_dir() else "it holds neither reward.json nor config.json"
        raise ConfigError("the folder of a reward", f"{path.name}: {got}", "Run guerdon reward fit to its end")
    if not path.is_dir() and (":" in text or text.partition(":")[0].endswith(".py")):
        return _in_code(text)
    if not path.is_dir() and (text.count("/") != 1 or text.startswith((".", "/"))):
        raise ConfigError(
            "a reward's folder, a hub id OWNER/NAME, module:NAME, or FILE.py[:NAME]", f"got {text[:80]!r}", "Check it"
        )
    return _classifier(text)


def _in_code(ref: str) -> Reward:
    named = import_module("guerdon.bench.loading").reward_named  # by name: this layer is below the bench
    return cast(Reward, named(ref))


def _classifier(ref: str) -> Reward:
    config = from_pretrained("AutoConfig", ref)
    if not any("SequenceClassification" in name for name in config.architectures or ()) or config.num_labels != 1:
        got = f"{Path(ref).name} is {', '.join(config.architectures or ['nothing'])} with {config.num_labels} labels"
        raise ConfigError("a sequence classifier with one label", got, "Learn a reward over it: --backbone")
    model = from_pretrained("AutoModelForSequenceClassification", ref, use_safetensors=True).eval()
    encoding = Pretrained.of(ref)
    try:
        member = RewardModel.of_classifier(model, ref)
    except ConfigError:
        return Classifier(ref, model, encoding)
    return KeptReward((member,), encoding, lineage={"classifier": Path(ref).name})


def _body(plain: Mapping[str, Any], folder: Path) -> Body:
    """The body that a folder describes."""
    kind = str(plain["kind"]).rpartition(":")[2]
    if kind == "Backbone":
        import transformers

        config = from_pretrained("AutoConfig", folder / "backbone")
        return Backbone(transformers.AutoModel.from_config(config), str(plain["name"]))
    if kind not in _TINY:
        raise RewardError(f"a body of {', '.join(_TINY)} or Backbone", f"got {kind!r:.80}", "Use a newer guerdon")
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in plain.items()
        if name not in ("kind", "fingerprint")
    }
    return cast(Body, _TINY[kind](**fields))


def _again(folder: str, expected: str) -> KeptReward:
    """The reward of a folder in another process, if it is still the same."""
    found = KeptReward.load(folder)
    if found.fingerprint() != expected:
        raise RewardError("the reward that was sent", "its folder holds another one now", "Load it again")
    return found
