"""Worlds that can be rewound, replayed and recorded. Gymnasium and the rest are imported when they are used."""

from guerdon.worlds.ale import AleWorld
from guerdon.worlds.cells import MontezumaCell, PitfallCell, PixelCell, Rooms, montezuma_cell, pitfall_cell, room_of
from guerdon.worlds.challenge import WorldChallenge
from guerdon.worlds.errors import WorldError
from guerdon.worlds.grid import KeyDoor
from guerdon.worlds.multi import Parallel, Round, Turn, Turns
from guerdon.worlds.record import clip, film, page_of, pictures, sheet, shots
from guerdon.worlds.replay import ReplayReward, Trajectory, Verdict, Witness, open_world, perform, replay, world_of
from guerdon.worlds.snapshot import (
    CopySnapshot,
    Cost,
    Faithful,
    ReplaySnapshot,
    Snapshot,
    check_snapshot,
    snapshot_of,
)
from guerdon.worlds.world import Step, World, checked_seed

__all__ = [
    "AleWorld", "CopySnapshot", "Cost", "Faithful", "KeyDoor", "MontezumaCell", "Parallel", "PitfallCell", "PixelCell",
    "ReplayReward", "ReplaySnapshot", "Rooms", "Round", "Snapshot", "Step", "Trajectory", "Turn", "Turns", "Verdict",
    "Witness", "World", "WorldChallenge", "WorldError", "check_snapshot", "checked_seed", "clip", "film",
    "montezuma_cell", "open_world", "page_of", "perform", "pictures", "pitfall_cell", "replay", "room_of", "sheet",
    "shots", "snapshot_of", "world_of",
]  # fmt: skip
