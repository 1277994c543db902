"""The reference methods: what each does with the same pairs, as settings of the learners in `guerdon.train`.

    sft                   the policy that all others start from
    feedme                imitate the preferred answers
    reward-conditioning   imitate both answers behind a good or a bad token; ask behind the good one
    best-of-n             take the best of n by the reward model; nothing is learned
    expert-iteration      imitate the best of n
    ppo                   policy gradient on the reward model, with a clamped divergence per token
    quark                 imitate the best quarter of each batch, near the reference
    dpo                   no reward model

They work on any `Policy`: the tiny ones of a test, and transformers models (`guerdon.systems.alpaca_farm.full`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.rng import stream
from guerdon.train.kl import FixedKL
from guerdon.train.learners import DPO, PPO, SFT, BestOfN, ExpertIteration, Quark, RewardConditioning
from guerdon.train.learners.imitation import repeated, told
from guerdon.train.loop import Watch, train
from guerdon.train.rollouts import Prompts, Sampling, Score, answers, collect
from guerdon.train.snapshots import Snapshot
from guerdon.train.tokens import Tokens

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.train.critic import Critic
    from guerdon.train.policy import Policy
    from guerdon.train.sampling import Drawn

Row = dict[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Materials:
    """What every method starts from.

    Args:
        policy: after supervised learning; it is its own reference.
        start: its weights.
        sampling: how answers are drawn in training.
        chosen: preferred answers of the pairs.
        rejected: the others.
        unlabelled: prompts to draw answers to.
        score: of the reward model, which learned from the same pairs.
        critic: the value function, which starts as the reward model.
        marks: ids of the good and the bad control token.
        seed: of all draws.
        watch: told of the policy while PPO and Quark learn; its figure `val` chooses what is kept.
    """

    policy: Policy
    start: Snapshot
    sampling: Sampling
    chosen: Sequence[Tokens]
    rejected: Sequence[Tokens]
    unlabelled: Prompts
    score: Score
    critic: Critic | None = None
    marks: tuple[int, int] = (-1, -1)
    seed: int = 0
    watch: Watch | None = None

    def rng(self, *name: str | int) -> Rng:
        """The generator for a purpose."""
        return stream(self.seed, "alpaca-farm", *name)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hyper-parameters of all methods.

    Args:
        sft: of feedme, and of the supervised learning before all.
        conditioning: the same behind control tokens.
        n: answers to choose from, in best-of-n and expert iteration.
        expert: imitation of the best.
        ppo: the weight of its divergence is 0.0067 for rewards of simulated labels, 0.02 for those of people.
        quark: the best quarter, no tokens.
        dpo: added to the published code later.
        steps: rollouts of PPO; the best checkpoint is found at 20 to 80.
        quark_steps: rollouts of Quark.
        rollout: answers of each.
        every: rollouts between two looks at the policy.
    """

    sft: SFT
    conditioning: SFT
    n: int
    expert: ExpertIteration
    ppo: PPO
    quark: Quark
    dpo: DPO
    steps: int
    quark_steps: int
    rollout: int
    every: int


PUBLISHED = Settings(
    sft=SFT(lr=2e-5, epochs=3, batch=128),
    conditioning=SFT(lr=2e-5, epochs=3, batch=128),
    n=16,
    expert=ExpertIteration(lr=2e-5, epochs=3, batch=128, restart=True),
    ppo=PPO(
        lr=1e-5,
        warmup=5,
        eps=1e-5,
        epochs=2,
        minibatch=256,
        lam=1.0,
        kl=FixedKL(weight=0.0067),
        clamp_kl=True,
        whiten_rewards=True,
        value=0.1,
    ),
    quark=Quark(lr=3e-6, kl=0.05),
    dpo=DPO(lr=1e-6, beta=0.1, epochs=2, batch=64),
    steps=80,
    quark_steps=80,
    rollout=512,
    every=10,
)
"""The published settings (arXiv 2305.14387 and its code); those of feedme and conditioning are as SFT's."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """What a method made of it.

    Args:
        snapshot: weights.
        mark: control token before each prompt.
        best_of: answers to choose from.
        history: of its training.
    """

    snapshot: Snapshot
    mark: int | None = None
    best_of: int = 1
    history: Sequence[Row] = field(default=(), repr=False)

    def answers(self, materials: Materials, prompts: Prompts, rng: Rng, sampling: Sampling | None = None) -> Drawn:
        """An answer to each prompt.

        Args:
            materials: with the policy, and the score for best-of-n.
            prompts: ids of each.
            rng: draws.
            sampling: how; as in training by default.
        """
        policy, how = materials.policy, sampling or materials.sampling
        policy.load(self.snapshot)
        if self.best_of > 1:
            return BestOfN(n=self.best_of).answers(policy, prompts, materials.score, how, rng).drawn
        asked = prompts if self.mark is None else told(prompts, [self.mark] * len(prompts))
        return answers(policy, asked, how, rng)


def _sft(materials: Materials, settings: Settings) -> Learned:
    return Learned(snapshot=materials.start)


def _feedme(materials: Materials, settings: Settings) -> Learned:
    rng = materials.rng("feedme")
    return Learned(snapshot=settings.sft.fit(materials.policy, materials.start, materials.chosen, rng)[0])


def _conditioning(materials: Materials, settings: Settings) -> Learned:
    good, bad = materials.marks
    RewardConditioning(tokens=materials.marks)  # refuses marks that are none
    rows = [_behind(good, row) for row in materials.chosen] + [_behind(bad, row) for row in materials.rejected]
    rng = materials.rng("conditioning")
    snapshot, _ = settings.conditioning.fit(materials.policy, materials.start, rows, rng)
    return Learned(snapshot=snapshot, mark=good)


def _behind(mark: int, row: Tokens) -> Tokens:
    return Tokens([mark, *row.prompt], row.action, row.chosen)


def _best_of_n(materials: Materials, settings: Settings) -> Learned:
    return Learned(snapshot=materials.start, best_of=settings.n)


def _expert(materials: Materials, settings: Settings) -> Learned:
    policy = materials.policy
    policy.load(materials.start)
    group = replace(materials.sampling, group=settings.n)
    asked = repeated(materials.unlabelled, settings.n)
    drawn = collect(policy, asked, materials.score, group, materials.rng("experts"), reference=False)
    state = replace(settings.expert.start(policy, materials.seed), policy=materials.start)
    state, figures = settings.expert.update(policy, state, drawn, materials.rng("imitating"))
    return Learned(snapshot=state.policy, history=[figures])


def _ppo(materials: Materials, settings: Settings) -> Learned:
    learner = settings.ppo if materials.critic is None else replace(settings.ppo, critic=materials.critic)
    return _reinforced(materials, settings, learner, settings.steps)


def _quark(materials: Materials, settings: Settings) -> Learned:
    return _reinforced(materials, settings, settings.quark, settings.quark_steps)


def _reinforced(materials: Materials, settings: Settings, learner: PPO | Quark, steps: int) -> Learned:
    """Train, and keep the checkpoint that `watch` calls best; the last one if nobody watches."""
    best: dict[str, Any] = {"val": float("-inf"), "policy": None}

    def watch(policy: Policy, state: Any) -> Mapping[str, float]:
        figures = materials.watch(policy, state) if materials.watch else {}
        if figures.get("val", float("-inf")) > best["val"]:
            best.update(val=figures["val"], policy=state.policy)
        return figures

    trained = train(
        materials.policy,
        learner,
        materials.unlabelled,
        materials.score,
        iterations=steps,
        batch=settings.rollout,
        sampling=materials.sampling,
        seed=materials.seed,
        watch=watch,
        every=settings.every,
    )
    return Learned(snapshot=best["policy"] or trained.state.policy, history=trained.history)


def _dpo(materials: Materials, settings: Settings) -> Learned:
    rng = materials.rng("dpo")
    pair = materials.chosen, materials.rejected
    return Learned(snapshot=settings.dpo.fit(materials.policy, materials.start, *pair, rng)[0])


Method: TypeAlias = Callable[[Materials, Settings], Learned]
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "sft": _sft,
        "feedme": _feedme,
        "reward-conditioning": _conditioning,
        "best-of-n": _best_of_n,
        "expert-iteration": _expert,
        "ppo": _ppo,
        "quark": _quark,
        "dpo": _dpo,
    }
)
BY_REWARD = ("best-of-n", "expert-iteration", "ppo", "quark")
"""Those that use a reward model."""


def learn(name: str, materials: Materials, settings: Settings = PUBLISHED) -> Learned:
    """Run a method.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in METHODS:
        raise ConfigError("a method of AlpacaFarm", f"got {name!r}", did_you_mean(name, list(METHODS)))
    return METHODS[name](materials, settings)
