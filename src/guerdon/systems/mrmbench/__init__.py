"""MRMBench: which preferences does a reward model's representation carry?"""

from guerdon.core.card import Card

CARD = Card(
    slug="mrmbench",
    title="MRMBench: probing reward models by dimension of preference",
    year=2025,
    claim="A linear probe on a frozen reward model tells, dimension by dimension, how well a policy aligned by it "
    "will do; how far a sample is from the probes' centroids tells how much to trust its reward.",
    differs="Six dimensions of preference become classification tasks; a reward model is judged by what a probe\n"
    "reads from its last hidden state, once as published and once run to its optimum on standardised features,\n"
    "beside the majority rate and balanced accuracy. Representations are cached, so that a model is read once.\n"
    "Distances to the centroids of validated samples drop rewards that are not to be trusted.\n"
    "Probes and centroids are in `rlhf`, reward models in `prefer`, the small world in `worlds`.",
    sources=("arXiv 2511.12464", "https://github.com/wangclnlp/MRMBench", "arXiv 2311.09528", "arXiv 2406.15513"),
)
