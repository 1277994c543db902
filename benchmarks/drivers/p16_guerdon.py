"""guerdon: the learner's update on answers that are put in where it would draw them; reference and scoring included."""

import numpy as np
import torch
from p16_work import ANSWERS, BETA, CLIP_NORM, GROUP, LR, MOST, PAD, answers, model, prompts, score
from speak import serve

from guerdon.core.rng import stream
from guerdon.train.learners import GRPO
from guerdon.train.policy import Policy
from guerdon.train.rollouts import Rollouts
from guerdon.train.sampling import Drawn

torch.set_num_threads(1)
LEARNER = GRPO(lr=LR, beta=BETA, unbiased_kl=True, on_policy=True, clip_norm=CLIP_NORM)
state = {}


def prepare(steps):
    """Make the policy of the next pass."""
    policy = Policy(model(), frozen=model())
    state.update(policy=policy, at=LEARNER.start(policy, 0), steps=steps, told=[])


def drawn(step):
    """The answers of a step as they come from drawing."""
    lines = answers(step)
    ids = np.full((ANSWERS, MOST), PAD, np.int64)
    for k, line in enumerate(lines):
        ids[k, : len(line)] = line
    return Drawn(ids, np.array([len(line) for line in lines]), np.zeros(ids.shape, np.float32))


def fill():
    """Train."""
    policy = state["policy"]
    asked = prompts().repeat(GROUP, 0)
    for step in range(state["steps"]):
        made = drawn(step)
        scores = np.array([[score(line[:n])] for line, n in zip(made.ids.tolist(), made.lengths.tolist())])
        rows = made.tokens(asked)
        some = Rollouts(asked, made, rows, scores, made.logprobs, np.zeros(made.ids.shape), GROUP)
        base = policy.packed_logprobs(some.packed, base=True)
        some.reference[:, : base.shape[1]] = base
        state["at"], figures = LEARNER.update(policy, state["at"], some, stream(0, "order", step))
        state["told"].append([figures["loss"], figures["gradient"]])


def read():
    """Loss and gradient's norm of each step."""
    return state["told"]


if __name__ == "__main__":
    serve({"prepare": prepare, "fill": fill, "read": read})
