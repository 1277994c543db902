"""The methods on transformers models: AlpacaFarm's files in, answers to an evaluation set out.

A policy is any causal language model, trained whole beside a frozen copy, or by an adapter whose reference is the model
without it. The reward is one that `guerdon.rlhf.kept.load` opens: `guerdon reward fit` learns it from the same pairs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case
from guerdon.prefer.models import Backbone
from guerdon.prefer.sets import FIRST, TIE, UNKNOWN, PreferenceSet
from guerdon.rlhf.encoding import from_pretrained
from guerdon.rlhf.kept import KeptReward
from guerdon.systems.alpaca_farm.data import Instruction
from guerdon.systems.alpaca_farm.methods import BY_REWARD, PUBLISHED, Learned, Materials, Settings, learn
from guerdon.train.critic import Critic
from guerdon.train.policy import Lora, Policy
from guerdon.train.rollouts import Sampling
from guerdon.train.tokens import Tokens

if TYPE_CHECKING:
    from guerdon.train.sampling import Drawn

GOOD, BAD = "<reward_0>", "<reward_1>"
"""Control tokens of reward conditioning."""


@dataclass(eq=False)
class Full:
    """A language model with its tokenizer, and how long texts may be.

    Args:
        model: causal, of transformers.
        tokenizer: its own.
        query: tokens of a prompt; a longer one loses its beginning.
        response: tokens of an answer, the end included.
    """

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    query: int = 192
    response: int = 300

    @classmethod
    def open(cls, where: str, *, device: str = "cpu", **sizes: int) -> Full:
        """Open a folder or hub id.

        Raises:
            ConfigError: transformers cannot open it, or it has no token that ends a text.
        """
        model = from_pretrained("AutoModelForCausalLM", where, use_safetensors=True).to(device)
        return cls(model, from_pretrained("AutoTokenizer", where), **sizes)

    def __post_init__(self) -> None:
        if self.tokenizer.eos_token_id is None:
            raise ConfigError("a tokenizer with a token that ends a text", "it has none", "Set eos_token")

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn: temperature 1, as published."""
        end, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        return Sampling(most=self.response, end=end, pad=end if pad is None else pad)

    def prompt(self, asked: Instruction) -> list[int]:
        """Ids of the Alpaca prompt."""
        ids: list[int] = self.tokenizer(asked.prompt)["input_ids"]
        while ids and ids[-1] == self.tokenizer.eos_token_id:  # some tokenizers end every text
            ids = ids[:-1]
        return ids[-self.query :]

    def row(self, asked: Instruction, output: str) -> Tokens:
        """What is learned from: a prompt, and an answer with its end if it has room."""
        ids = self.tokenizer(output, add_special_tokens=False)["input_ids"]
        return Tokens(self.prompt(asked), [*ids, self.tokenizer.eos_token_id][: self.response])

    def texts(self, drawn: Drawn) -> list[str]:
        """Texts of answers, without their ends."""
        rows = [ids[:n] for ids, n in zip(drawn.ids.tolist(), drawn.lengths.tolist(), strict=True)]
        return [str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip() for ids in rows]

    def conditioned(self) -> tuple[int, int]:
        """Ids of the control tokens, for which the vocabulary is made larger if they are new."""
        added = self.tokenizer.add_special_tokens(
            {"additional_special_tokens": [GOOD, BAD]}, replace_extra_special_tokens=False
        )
        if added and len(self.tokenizer) > self.model.get_input_embeddings().num_embeddings:
            self.model.resize_token_embeddings(len(self.tokenizer))
        good, bad = self.tokenizer.convert_tokens_to_ids([GOOD, BAD])
        return int(good), int(bad)


def run(
    method: str,
    full: Full,
    *,
    pairs: PreferenceSet | None = None,
    demonstrations: Sequence[Instruction] = (),
    unlabelled: Sequence[Instruction] = (),
    reward: Reward | None = None,
    lora: Lora | None = None,
    settings: Settings = PUBLISHED,
    most_tokens: int = 16_384,
    seed: int = 0,
) -> tuple[Learned, Materials]:
    """Learn by a method.

    Args:
        method: one of `methods.METHODS`; "sft" learns from the demonstrations.
        full: the policy: the base model for SFT, the one that SFT made for all others.
        pairs: for feedme, reward conditioning and DPO; ties teach them nothing.
        demonstrations: for SFT.
        unlabelled: prompts for expert iteration, PPO and Quark.
        reward: for the methods by reward.
        lora: an adapter; by default all weights learn.
        settings: hyper-parameters.
        most_tokens: of a micro-batch.
        seed: of all draws.

    Returns:
        What was learned, and the materials to answer with.

    Raises:
        ConfigError: the method lacks what it learns from.
    """
    _check(method, pairs, demonstrations, unlabelled, reward)
    marks = full.conditioned() if method == "reward-conditioning" else (-1, -1)
    frozen = None if lora else copy.deepcopy(full.model)
    policy = Policy(full.model, lora=lora, frozen=frozen, most_tokens=most_tokens)
    chosen, rejected = sides(full, pairs) if pairs is not None else ([], [])
    asked = {tuple(full.prompt(each)): each for each in unlabelled}
    made = Materials(
        policy=policy,
        start=policy.start(seed),
        sampling=full.sampling,
        chosen=chosen,
        rejected=rejected,
        unlabelled=[list(prompt) for prompt in asked],
        score=_Scorer(full, reward, dict(asked)),
        critic=critic_of(full, reward) if method == "ppo" else None,
        marks=marks,
        seed=seed,
    )
    if method != "sft":
        return learn(method, made, settings), made
    rows = [full.row(each, each.output) for each in demonstrations]
    return Learned(snapshot=settings.sft.fit(policy, made.start, rows, made.rng("sft"))[0]), made


def answer(full: Full, learned: Learned, materials: Materials, asked: Sequence[Instruction]) -> list[str]:
    """A text for each instruction."""
    prompts = [full.prompt(each) for each in asked]
    scorer = materials.score
    if isinstance(scorer, _Scorer):
        scorer.asked.update({tuple(prompt): each for prompt, each in zip(prompts, asked, strict=True)})
    drawn = learned.answers(materials, prompts, stream(materials.seed, "alpaca-farm", "answers"))
    return full.texts(drawn)


def sides(full: Full, pairs: PreferenceSet) -> tuple[list[Tokens], list[Tokens]]:
    """Rows of the preferred and of the other outputs, without ties and unknown choices."""
    found: tuple[list[Tokens], list[Tokens]] = ([], [])
    for k, choice in enumerate(pairs.choice.tolist()):
        if choice in (TIE, UNKNOWN):
            continue
        texts = [str(pairs.first[k]), str(pairs.second[k])]
        for side, text in zip(found, texts if choice == FIRST else texts[::-1], strict=True):
            side.append(full.row(_asked(pairs, k), text))
    return found


def _asked(pairs: PreferenceSet, k: int) -> Instruction:
    """The instruction of a pair: from the columns that AlpacaFarm's files have, or the whole prompt."""
    if "instruction" not in pairs.columns:
        return Instruction(str(pairs.prompt[k]))
    extra = pairs.columns["input"][k] if "input" in pairs.columns else ""
    return Instruction(str(pairs.columns["instruction"][k]), str(extra or ""))


def critic_of(full: Full, reward: Reward | None) -> Critic:
    """A value function that starts as the reward model, where that reads the policy's tokens; else as the policy."""
    if isinstance(reward, KeptReward) and isinstance(reward.members[0].body, Backbone):
        member = reward.members[0]
        theirs: Mapping[str, int] = getattr(getattr(reward.encoding, "tokenizer", None), "get_vocab", dict)()
        if theirs == full.tokenizer.get_vocab():
            return Critic(body=member.body, start=member.weights, scale=1 / member.sd)
    return Critic(body=Backbone(copy.deepcopy(full.model)))


@dataclass(eq=False)
class _Scorer:
    """Scores of answers in ids, by a reward of texts; nan where the reward has none."""

    full: Full
    reward: Reward | None
    asked: dict[tuple[int, ...], Instruction]

    def __call__(self, prompts: Any, drawn: Drawn) -> Any:
        if self.reward is None:
            raise ConfigError("a reward", "there is none", "Give --reward")
        tasks = [self.asked[tuple(int(token) for token in prompt)].task for prompt in prompts]
        texts = self.full.texts(drawn)
        cases = [Case(task, Answer(task.id, text)) for task, text in zip(tasks, texts, strict=True)]
        return np.array([math.nan if each.value is None else each.value for each in self.reward(cases)])


def adjusted(settings: Settings, *, lr: float | None = None, **numbers: int | None) -> Settings:
    """Settings with other numbers; `None` leaves one as it is.

    Args:
        settings: to start from.
        lr: step size of every learner.
        numbers: `steps`, `rollout`, `n`, `epochs`; PPO's epochs are those within a rollout and stay.
    """
    given: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    epochs = given.pop("epochs", None)
    if "steps" in given:
        given["quark_steps"] = given["steps"]
    learners: Mapping[str, Any] = {each.name: getattr(settings, each.name) for each in fields(settings)}
    changed: dict[str, Any] = {}
    for name in ("sft", "conditioning", "expert", "ppo", "quark", "dpo"):
        made = learners[name] if lr is None else replace(learners[name], lr=lr)
        changed[name] = replace(made, epochs=epochs) if epochs and name not in ("ppo", "quark") else made
    return replace(settings, **changed, **given)


def _check(method: str, pairs: Any, demonstrations: Any, unlabelled: Any, reward: Any) -> None:
    wanted = {
        "sft": ("demonstrations", len(demonstrations)),
        "feedme": ("pairs", pairs is not None),
        "reward-conditioning": ("pairs", pairs is not None),
        "dpo": ("pairs", pairs is not None),
    }
    if method in BY_REWARD and reward is None:
        raise ConfigError(f"a reward for {method}", "there is none", "Give --reward, such as a guerdon reward fit")
    if method in BY_REWARD and method != "best-of-n":
        wanted[method] = ("unlabelled instructions", len(unlabelled))
    what, there = wanted.get(method, ("", True))
    if not there:
        raise ConfigError(f"{what} for {method}", "there are none", f"Give the file of {what}")
