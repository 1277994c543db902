"""The loop of RewardBench 0.1.4 over a classifier: batches in file order, chosen, then rejected, padded on the left.

Written after `rewardbench/rewardbench.py` of that release, with the calls and settings that it makes (batch 16, as its
`scripts/run_rm.py` has it), since its function of the same name also downloads data and starts accelerate.
"""

import torch
from p6_rows import model_and_tokenizer, operations
from speak import serve
from transformers import pipeline

BATCH = 16
MODEL, TOKENIZER = model_and_tokenizer()
TOKENIZER.padding_side = "left"
PIPE = pipeline("text-classification", model=MODEL, tokenizer=TOKENIZER, device="cpu")
SETTINGS = {
    "batch_size": BATCH, "truncation": False, "padding": True, "max_length": 2048, "function_to_apply": "none",
    "return_token_type_ids": False,
}  # fmt: skip


def score(chosen, rejected):
    """Scores of both sides."""
    rows = [{"text_chosen": one, "text_rejected": two} for one, two in zip(chosen, rejected)]
    found = ([], [])
    for batch in torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=False, drop_last=False):
        for side, name in zip(found, ("text_chosen", "text_rejected")):
            side.extend(one["score"] for one in PIPE(batch[name], **SETTINGS))
    return found


if __name__ == "__main__":
    serve(operations(score))
