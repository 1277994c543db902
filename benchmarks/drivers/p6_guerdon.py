"""guerdon: a reward model over the classifier, scoring all texts in one call."""

from p6_rows import model_and_tokenizer, operations
from speak import serve

from guerdon.prefer.models import RewardModel, Rows

MODEL, TOKENIZER = model_and_tokenizer()
REWARD = RewardModel.of_classifier(MODEL, "p6")


def score(chosen, rejected):
    """Both sides at once."""
    found = REWARD.scores(Rows.of(TOKENIZER([*chosen, *rejected])["input_ids"]))
    return found[: len(chosen)], found[len(chosen) :]


if __name__ == "__main__":
    serve(operations(score))
