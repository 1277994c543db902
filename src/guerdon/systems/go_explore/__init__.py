"""Go-Explore: first return, then explore."""

from guerdon.core.card import Card

_HERE = "guerdon.systems.go_explore"

CARD = Card(
    slug="go-explore",
    title="Go-Explore (First return, then explore)",
    year=2019,
    claim="Returning to remembered states before exploring finds rooms and rewards of Montezuma's Revenge that "
    "exploration from the start does not find in the same number of steps.",
    differs="Phase 1 keeps an archive of cells with emulator states, chooses among them by published weights, and\n"
    "explores with repeated random actions; every stored trajectory replays from reset.\n"
    "Cells from RAM, pixels, dynamic downscaling or a function of one's own; any world through its snapshot.\n"
    "Phase 2 makes a policy that is sure under noise: the backward algorithm with PPO, from demonstrations.\n"
    "Archives, weights, snapshots, replay, films, loop and reports are the shared rooms'.",
    sources=("arXiv 1901.10995", "arXiv 2004.12919", "arXiv 1812.03381"),
    challenges=(
        ("montezuma", f"{_HERE}.challenge:Montezuma"),
        ("pitfall", f"{_HERE}.challenge:Pitfall"),
        ("key-door", f"{_HERE}.robustify.challenge:KeyDoorChallenge"),
    ),
    solvers=(
        ("go-explore", f"{_HERE}.solver:GoExplore"),
        ("robustify", f"{_HERE}.robustify.solver:Robustify"),
    ),
)
