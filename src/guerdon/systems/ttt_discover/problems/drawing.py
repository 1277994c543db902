"""Pictures of contest answers: the program is run on the first public case and its solution drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from guerdon.core.challenge import Picture
from guerdon.core.errors import GuerdonError
from guerdon.sandbox import Limits
from guerdon.sandbox.programs import run_programs
from guerdon.systems.ttt_discover.problem import Invalid
from guerdon.systems.ttt_discover.problems.contest import PUBLIC_SEED, Contest, WrongOutput, program

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def net(challenge: Contest, content: Any) -> Sequence[Picture]:
    """The net that a program of contest 039 throws in the first public case; nothing if it throws none."""
    from guerdon.systems.ttt_discover.problems import ahc039

    limits = Limits(wall_s=challenge.seconds, memory_mb=challenge.memory_mb, disk_mb=64, result_kb=1024)
    case = challenge.judge.generate(PUBLIC_SEED)
    try:
        ((outcome,),) = run_programs([program(content)], [[case]], limits, imports=("numpy",))
        if outcome.fault is not None:
            return ()
        vertices = ahc039.polygon(str(outcome.value))
        ahc039.check(vertices)
    except (Invalid, WrongOutput, GuerdonError):
        return ()
    places = ahc039.points(case)
    value = ahc039.mark(case, str(outcome.value))
    caption = f"A public case: mark {value:.0f} with {len(vertices)} vertices; mackerels red, sardines blue"
    return (Picture(caption, "image/svg+xml", _net(vertices, places, ahc039.SIDE)),)


def _net(vertices: Sequence[tuple[int, int]], places: NDArray[np.int64], side: int) -> bytes:
    half = len(places) // 2
    shown = [
        f'<path d="{"".join(f"M{x / 100:.0f} {(side - y) / 100:.0f}h1" for x, y in group)}" stroke="{color}"/>'
        for group, color in ((places[half:].tolist(), "#4a6fa5"), (places[:half].tolist(), "#b5482f"))
    ]
    corners = " ".join(f"{x / 100:.2f},{(side - y) / 100:.2f}" for x, y in vertices)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 1000" role="img">'
        '<rect width="1000" height="1000" fill="#ffffff"/>'
        f'<polygon points="{corners}" fill="#f2e3b3" stroke="#1f1f1f" stroke-width="2"/>'
        f'<g stroke-width="3" stroke-linecap="round">{"".join(shown)}</g></svg>'
    ).encode()
