"""The floor: the bare model on as many tokens, in full rows of 128 without padding; its scores mean nothing."""

import torch
from p6_rows import SHAPE, model_and_tokenizer, texts
from speak import serve

MODEL, _ = model_and_tokenizer()
WIDE, ROWS = 128, 8
STATE = {}


def prepare(kind, pairs):
    """As many tokens as the texts have; of pairs with shared prompts, each prompt once."""
    sides = [[text.split() for text in side] for side in texts(kind, pairs)]
    count = sum(len(text) for side in sides for text in side)
    if kind == "shared":
        count -= sum(common(*pair) for pair in zip(*sides))
    generator = torch.Generator().manual_seed(0)
    rows = -(-count // WIDE)
    STATE["rows"] = torch.randint(2, SHAPE["vocab_size"], (rows, WIDE), generator=generator)
    return count


def common(one, two):
    """Words that both begin with."""
    return next((k for k, pair in enumerate(zip(one, two)) if pair[0] != pair[1]), min(len(one), len(two)))


def score():
    """Forward passes alone."""
    with torch.no_grad():
        for some in STATE["rows"].split(ROWS):
            MODEL.model(input_ids=some, use_cache=False)
    return len(STATE["rows"])


if __name__ == "__main__":
    serve({"prepare": prepare, "score": score, "read": lambda: None})
