"""Both topologies in the tiny text world: collect, learn a reward model from each, and let the gold reward judge.

Everything is shared but the topology: policy, prompts, annotators, settings and seeds of the reward model, and the
answers among which each reward model chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from guerdon.core.rng import stream
from guerdon.prefer.annotators import Simulated
from guerdon.prefer.models import RewardModel, Rows
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.training import Fit, fit, metrics
from guerdon.rlhf.desk import MOST, Desk
from guerdon.rlhf.winrate import points_by
from guerdon.systems.tree_preference.collect import Compared, compare
from guerdon.systems.tree_preference.generators import FromTiny
from guerdon.systems.tree_preference.gold import Gold
from guerdon.systems.tree_preference.network import Floats, Ints
from guerdon.systems.tree_preference.shapes import Shape, lcp
from guerdon.systems.tree_preference.trees import Tree, grow
from guerdon.train.tiny import Sft, TinyLM
from guerdon.worlds.tiny_text import END, read, say


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of a comparison.

    Args:
        prompts: asked, with `pairs` comparisons each.
        pairs: comparisons for each prompt, for chain and tree alike.
        scale: of the annotators' noise, in units of the gold reward's sd; 0 labels without noise.
        fit: of the reward models.
        tests: prompts on which each reward model chooses.
        answers: among which it chooses.
    """

    prompts: int = 1000
    pairs: int = 4
    scale: float = 1.0
    fit: Fit = field(default_factory=lambda: Fit(epochs=3, batch=64, lr=3e-3, warmup=20))
    tests: int = 250
    answers: int = 128

    @property
    def tree(self) -> Shape:
        """The tree, with more pairs than the chain so that its tokens can be used up."""
        return Shape(pairs=self.pairs + 2, coldest=1.0)

    @property
    def chain(self) -> Shape:
        """The chain over the same prompts."""
        return Shape.chain(self.pairs, coldest=1.0)


@dataclass(frozen=True, eq=False)
class Labels:
    """What was collected.

    Args:
        pairs: labelled.
        wrong: (n,) whether a label contradicts the gold reward.
        shared: (n,) levels that the responses share.
        tokens: (n,) of both responses without the prefix that they share.
        turn: (n,) the how manieth comparison of its tree.
    """

    pairs: Pairs
    wrong: Ints
    shared: Ints
    tokens: Ints
    turn: Ints

    def take(self, which: Ints) -> Labels:
        """Some of them."""
        columns = (self.wrong, self.shared, self.tokens, self.turn)
        return Labels(self.pairs.take(which), *(column[which] for column in columns))

    def first(self, each: int) -> Labels:
        """So many comparisons of each tree."""
        return self.take(np.flatnonzero(self.turn < each))

    def within(self, tokens: int) -> Labels:
        """First comparisons of all trees, then second ones, and so on until so many tokens are spent."""
        order = np.argsort(self.turn, kind="stable")
        return self.take(np.sort(order[np.cumsum(self.tokens[order]) <= tokens]))


def collected(desk: Desk, plan: Plan, shape: Shape, *name: str | int) -> Labels:
    """Grow, compare and label; chain and tree of one name have the same prompts."""
    generate = FromTiny(desk.policy)
    asked = [say(row) for row in desk.prompts(plan.prompts, "tree-preference").tolist()]
    gold = Gold(world=desk.world)
    judge = Simulated(reward=gold, scale=plan.scale or 1e-9, seed=desk.seed)
    trees: list[Tree] = []
    compared: list[Compared] = []
    for again in range(shape.trees):
        ids = [f"{k}/{again}" for k in range(len(asked))]
        grown = grow(generate, asked, ids, shape, desk.seed, *name, again)
        trees += grown
        compared += compare(generate, grown, shape, judge, desk.seed)
    return _labels(gold, compared, {tree.id: tree for tree in trees})


def _labels(gold: Gold, compared: Sequence[Compared], trees: Mapping[str, Tree]) -> Labels:
    kept = [each for each in compared if each.choice.outcome in ("left", "right")]
    one, two = (Rows.of([_ids(trees[each.tree], path(each)) for each in kept]) for path in (_a, _b))
    worse = np.array([each.choice.outcome == "right" for each in kept], bool)
    prompts = [each.prompt for each in kept]
    first, second = (np.array(gold.of(prompts, [each.texts[k] for each in kept])) for k in (0, 1))
    seen: dict[str, int] = {}
    turn = []
    for each in kept:
        turn.append(seen.get(each.tree, 0))
        seen[each.tree] = turn[-1] + 1
    tokens = np.array([each.tokens for each in kept], np.int64).reshape(-1, 3)
    return Labels(
        Pairs.of(one, two).flipped(worse),
        (worse == (first > second)).astype(np.int64),
        np.array([lcp(each.a, each.b) for each in kept], np.int64),
        tokens[:, 0] + tokens[:, 1] - 2 * tokens[:, 2],
        np.array(turn, np.int64),
    )


def _a(each: Compared) -> str:
    return each.a


def _b(each: Compared) -> str:
    return each.b


def _ids(tree: Tree, path: str) -> list[int]:
    node = tree.nodes[path]
    return read(tree.prompt) + read(node.text) + ([END] if node.whole else [])


# ---- reward models and what they choose ------------------------------------------------------------------------------


def learned(desk: Desk, plan: Plan, labels: Labels) -> RewardModel:
    """A reward model that starts as the policy; its head is drawn and its pairs shuffled by the desk's seed alone."""
    settings, start = plan.fit, desk.policy.weights
    return fit(desk.policy.net, labels.pairs, settings, seeds=(desk.seed,), start=start).models[0]


@dataclass(frozen=True, eq=False)
class Arena:
    """Answers among which reward models choose.

    Args:
        prompts: (tests, 2).
        rows: of all answers, (tests * answers).
        gold: (tests, answers).
    """

    prompts: Ints
    rows: Rows
    gold: Floats

    def curve(self, model: RewardModel, counts: Sequence[int]) -> dict[int, Floats]:
        """(tests,) gold rewards of the best of the first n answers, for several n."""
        scores = model.scores(self.rows).reshape(self.gold.shape)
        at = np.arange(len(self.gold))
        return {n: self.gold[at, scores[:, :n].argmax(1)] for n in counts}


def arena(desk: Desk, plan: Plan) -> Arena:
    """Fresh prompts and answers of the policy that starts."""
    asked = desk.prompts(plan.tests, "tree-preference", "tests")
    many = np.repeat(asked, plan.answers, 0)
    drawn = desk.draw(many, "tree-preference", "tests")
    return Arena(asked, desk.rows(many, drawn), desk.gold(many, drawn).reshape(plan.tests, plan.answers))


def fresh_pairs(desk: Desk, plan: Plan, shape: Shape) -> Pairs:
    """Fresh pairs of a topology with true labels, to judge any reward model by."""
    return collected(desk, replace(plan, prompts=plan.tests, scale=0.0), shape, "fresh").pairs


def accuracy(model: RewardModel, pairs: Pairs) -> float:
    """Share of pairs that are ranked as labelled."""
    return metrics(model, pairs)["accuracy"]


def wins(one: Floats, two: Floats) -> float:
    """How often the first is better; equal ones are half a win each."""
    return float(points_by(one, two).mean())


def tuned_by_winners(desk: Desk, model: RewardModel, prompts: int, n: int, sft: Sft) -> TinyLM:
    """RFT: the policy fine-tuned on the best of n of its own answers to each prompt, by the reward model."""
    asked = desk.prompts(prompts, "tree-preference", "rft")
    many = np.repeat(asked, n, 0)
    drawn = desk.draw(many, "tree-preference", "rft")
    best = model.scores(desk.rows(many, drawn)).reshape(prompts, n).argmax(1) + n * np.arange(prompts)
    made, _ = desk.policy.sft(asked, drawn.ids[best], stream(desk.seed, "tree-preference", "rft-order"), sft)
    return made


def tuned_by_ppo(desk: Desk, model: RewardModel, prompts: int, iterations: int, batch: int) -> TinyLM:
    """The policy after PPO against the reward model, standardised on the policy's own answers."""
    from guerdon.train.kl import FixedKL
    from guerdon.train.learners import PPO
    from guerdon.train.loop import train
    from guerdon.train.rollouts import Sampling

    asked = desk.prompts(prompts, "tree-preference", "ppo")
    told = model.standardised(desk.rows(asked, desk.draw(asked, "tree-preference", "ppo")))
    policy = desk.learner()
    learner = PPO(lr=1e-3, epochs=2, kl=FixedKL(weight=0.1))
    how = Sampling(most=MOST)
    trained = train(
        policy, learner, asked, desk.score_of(told), iterations=iterations, batch=batch, sampling=how, seed=desk.seed
    )
    return policy.model_of(trained.state.policy)


def gold_of(desk: Desk, policy: TinyLM, prompts: Ints) -> Floats:
    """(n,) gold rewards of one answer of a policy to each prompt; the same numbers are drawn for every policy."""
    return desk.gold(prompts, desk.draw(prompts, "tree-preference", "judged", policy=policy))
