"""TTT-Discover: reinforcement learning at test time, on the one problem that is to be solved."""

from guerdon.core.card import Card

_HERE = "guerdon.systems.ttt_discover"

CARD = Card(
    slug="ttt-discover",
    title="TTT-Discover: learning to discover at test time",
    year=2026,
    claim="On one problem with a continuous reward, attempts that start again from archived solutions find far better "
    "ones than attempts that start afresh, and training the proposer on its own attempts adds to that.",
    differs="A problem is one task with a continuous reward; its verifier recomputes and certifies every value.\n"
    "The proposer is trained on that one problem: adaptive entropic objective, one optimiser step per batch.\n"
    "Attempts start from archived states by PUCT with a rank prior and the value of the best child.\n"
    "Proposers are a small policy over search operators, or a language model with an adapter.\n"
    "Archive, objective, sandbox, models, budgets, resume and reports are the shared rooms'.",
    sources=("arXiv 2601.16175", "https://github.com/test-time-training/discover"),
    challenges=(
        ("erdos-overlap", f"{_HERE}.problems.erdos:ErdosOverlap"),
        ("autocorrelation-1", f"{_HERE}.problems.autocorrelation:Autocorrelation1"),
        ("autocorrelation-2", f"{_HERE}.problems.autocorrelation:Autocorrelation2"),
        ("circle-packing", f"{_HERE}.problems.circle_packing:CirclePacking"),
        ("ahc039", f"{_HERE}.problems.ahc039:Ahc039"),
        ("ahc058", f"{_HERE}.problems.ahc058:Ahc058"),
        ("denoising", f"{_HERE}.problems.denoising:Denoising"),
        ("triangle-kernel", f"{_HERE}.problems.triangle_kernel:TriangleKernel"),
    ),
    solvers=(
        ("ttt-discover", f"{_HERE}.solver:TttDiscover"),
        ("ttt-discover-lm", f"{_HERE}.language.solver:TttDiscoverLm"),
        ("best-of-n", f"{_HERE}.baselines:BestOfN"),
        ("evolution", f"{_HERE}.baselines:Evolution"),
    ),
)
