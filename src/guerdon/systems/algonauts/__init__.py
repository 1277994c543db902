"""Algonauts 2023: predict how the visual brain responds to natural scenes, scored by what the noise leaves."""

from guerdon.core.card import Card

_HERE = "guerdon.systems.algonauts"

CARD = Card(
    slug="algonauts",
    title="The Algonauts Project 2023 Challenge: How the Human Brain Makes Sense of Natural Scenes",
    year=2023,
    claim="Features of deep networks predict responses all over visual cortex by a linear map, early layers early "
    "regions and late layers late ones, far above chance and below what the noise leaves.",
    differs="The judge pools squared correlations of all vertices, each divided by its noise ceiling.\n"
    "The organisers' folders, label files (read without unpickling) and zips are read and written as they are,\n"
    "and made from single trials of your own.\n"
    "Baselines: pixels, Gabor energies, layers of any network, least squares or ridge, a layer for each region.\n"
    "Ridge over tens of thousands of vertices, ceilings and scores are in `numerics`, contests in `hosting`.",
    sources=(
        "arXiv 2301.03198",
        "https://github.com/gifale95/algonauts_2023",
        "arXiv 2308.01175",
        "arXiv 2308.02351",
        "Allen et al. 2022, Nature Neuroscience 25:116-126",
    ),
    challenge=f"{_HERE}.challenge:Algonauts",
    solvers=(
        ("linear-encoder", f"{_HERE}.solvers:LinearEncoder"),
        ("submission-file", f"{_HERE}.solvers:SubmissionFile"),
    ),
)
