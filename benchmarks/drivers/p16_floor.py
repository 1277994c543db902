"""The floor: the passes of the model, the loss and torch's fused AdamW; nothing checked, noted or kept."""

import numpy as np
import torch
from p16_work import ANSWERS, BETA, CLIP_NORM, GROUP, LR, MOST, PAD, PROMPT, PROMPTS, answers, model, prompts, score
from speak import serve

torch.set_num_threads(1)
state = {}


def prepare(steps):
    """Make the model of the next pass."""
    net = model()
    optimiser = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.0, fused=True)
    state.update(net=net, base=model().eval(), optimiser=optimiser, steps=steps, told=[])


def logprobs(net, ids, mask):
    """Of the answers' tokens."""
    logs = net(input_ids=ids, attention_mask=mask).logits[:, PROMPT - 1 : -1].log_softmax(-1)
    return logs.gather(-1, ids[:, PROMPT:, None])[..., 0]


def batch(step):
    """Ids, mask of the answers, and advantages."""
    lines = answers(step)
    ids = torch.full((ANSWERS, PROMPT + MOST), PAD)
    ids[:, :PROMPT] = torch.tensor(prompts().repeat(GROUP, 0))
    for k, line in enumerate(lines):
        ids[k, PROMPT : PROMPT + len(line)] = torch.tensor(line)
    mask = (torch.arange(MOST) < torch.tensor([len(line) for line in lines])[:, None]).float()
    scores = np.array([score(line) for line in lines]).reshape(PROMPTS, GROUP)
    gaps = (scores - scores.mean(1, keepdims=True)) / (scores.std(1, ddof=1, keepdims=True) + 1e-4)
    return ids, mask, torch.tensor(gaps.reshape(-1, 1), dtype=torch.float32)


def fill():
    """Train."""
    net, base, optimiser = state["net"], state["base"], state["optimiser"]
    for step in range(state["steps"]):
        ids, mask, lead = batch(step)
        seen = torch.cat((torch.ones(ANSWERS, PROMPT), mask), 1).long()
        now = logprobs(net, ids, seen)
        with torch.no_grad():
            gap = logprobs(base, ids, seen)
        ratio, gap = (now - now.detach()).exp(), gap - now
        each = -ratio * lead + BETA * ratio * (gap.exp() - 1 - gap)
        loss = ((each * mask).sum(1) / mask.sum(1)).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP_NORM)
        optimiser.step()
        optimiser.zero_grad()
        state["told"].append([loss.item(), norm.item()])


def read():
    """Loss and gradient's norm of each step."""
    return state["told"]


if __name__ == "__main__":
    serve({"prepare": prepare, "fill": fill, "read": read})
