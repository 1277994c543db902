"""guerdon: the learner's update with scoring and reference; answers are drawn by the loop, or put in."""

import numpy as np
import torch
from p16_work import ANSWERS, BETA, CLIP_NORM, GROUP, LR, MOST, PAD, answers, model, prompts, score
from speak import serve

from guerdon.core.rng import stream
from guerdon.train.learners import GRPO
from guerdon.train.loop import train
from guerdon.train.policy import Policy
from guerdon.train.rollouts import Rollouts, Sampling
from guerdon.train.sampling import Drawn

torch.set_num_threads(1)
LEARNER = GRPO(lr=LR, beta=BETA, unbiased_kl=True, on_policy=True, clip_norm=CLIP_NORM)
NEVER = -1  # no token ends an answer, so that all sides draw as many
state = {}


def prepare(steps, draws=False):
    """Make the policy of the next pass."""
    policy = Policy(model(), frozen=model())
    state.update(policy=policy, at=LEARNER.start(policy, 0), steps=steps, draws=draws, told=[])


def drawn(step):
    """The answers of a step as they come from drawing."""
    lines = answers(step)
    ids = np.full((ANSWERS, MOST), PAD, np.int64)
    for k, line in enumerate(lines):
        ids[k, : len(line)] = line
    return Drawn(ids, np.array([len(line) for line in lines]), np.zeros(ids.shape, np.float32))


def scores_of(_, made):
    """One for each answer."""
    return np.array([score(line[:n]) for line, n in zip(made.ids.tolist(), made.lengths.tolist())])


def fill():
    """Train."""
    policy = state["policy"]
    if state["draws"]:
        sampling = Sampling(most=MOST, end=NEVER, pad=PAD, group=GROUP)
        how = {"iterations": state["steps"], "batch": ANSWERS, "sampling": sampling, "seed": 0}
        state["told"] = train(policy, LEARNER, prompts(), scores_of, **how).history
        return
    asked = prompts().repeat(GROUP, 0)
    for step in range(state["steps"]):
        made = drawn(step)
        some = Rollouts(
            asked,
            made,
            made.tokens(asked),
            scores_of(asked, made)[:, None],
            made.logprobs,
            np.zeros(made.ids.shape),
            GROUP,
        )
        base = policy.packed_logprobs(some.packed, base=True)
        some.reference[:, : base.shape[1]] = base
        state["at"], figures = LEARNER.update(policy, state["at"], some, stream(0, "order", step))
        state["told"].append([figures["loss"], figures["gradient"]])


def read():
    """Loss and gradient's norm of each step."""
    return state["told"]


def lengths():
    """Mean length of the answers of each step."""
    return [row["length"] for row in state["told"]]


if __name__ == "__main__":
    serve({"prepare": prepare, "fill": fill, "read": read, "lengths": lengths})
