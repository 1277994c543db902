"""Montezuma's Revenge and Pitfall: lists of actions, played on the raw emulator, scored by the game's own points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

from guerdon.core.challenge import Landmark, Picture, Probes
from guerdon.core.errors import GuerdonError
from guerdon.core.plain import Blob, Json
from guerdon.core.task import Answer, Task
from guerdon.systems.go_explore.simulator import Room, room_here
from guerdon.worlds import ReplayReward, Witness, WorldChallenge, page_of, world_of

FIRST = "arXiv 1901.10995"
SECOND = "arXiv 2004.12919"
LOOK = 5
"""Steps in a room before its picture is taken: on entering, the screen may still be that of the room before."""


class RoomsSeen(Witness):
    """Counts the rooms that an answer visits, by RAM."""

    def __init__(self) -> None:
        self.rooms: set[Room] = set()

    def see(self, world: Any) -> None:
        """Note the room of now."""
        room = room_here(world)
        if room is not None:
            self.rooms.add(room)

    def parts(self) -> dict[str, float]:
        """Rooms; and the highest level, in games that have levels."""
        levels = {"level": float(max(room[0] for room in self.rooms))} if all(map(_levelled, self.rooms)) else {}
        return {"rooms": float(len(self.rooms)), **levels}


def _levelled(room: Room) -> bool:
    return len(room) == 2


@dataclass(frozen=True, kw_only=True)
class Played(ReplayReward):
    """The raw return, never clipped, with the rooms visited as a part."""

    def witness(self) -> RoomsSeen:
        """Rooms."""
        return RoomsSeen()


@dataclass(frozen=True, kw_only=True)
class AtariRooms(WorldChallenge):
    """A game of rooms on the raw emulator, without sticky actions; see `WorldChallenge`."""

    @property
    def judge(self) -> Played:
        """Replay on the task's seed."""
        return Played(
            env_id=self.env_id, arguments=self.arguments, max_steps=self.max_steps, low=self.low, high=self.high,
            after_end="ignore",
        )  # fmt: skip

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The rooms in the order of the way through them, and a film of it."""
        film = super().pictures(task, answer)
        return (*self._sheet(task, answer), *film) if film else ()

    def _sheet(self, task: Task, answer: Answer) -> Sequence[Picture]:
        actions = answer.content
        if isinstance(actions, Blob):
            return ()
        world = world_of(self.env_id, self.arguments, self.max_steps)
        shown: dict[Room, Any] = {}
        stayed: dict[Room, int] = {}
        try:
            world.reset(self.keys([task])[0]["seed"])
            for action in cast("Sequence[Json]", actions):
                if world.ended:
                    break
                world.step(world.decode(action))
                room = room_here(world)
                if room is not None and stayed.get(room, 0) < LOOK:
                    stayed[room] = stayed.get(room, 0) + 1
                    shown[room] = world.render()
            page = page_of(shown)
        except GuerdonError:
            return ()
        count = len(shown)
        return (Picture(f"{count} room{'s' if count != 1 else ''}, in the order visited", "image/png", page),)


FIRST_KEY = (
    (16, 2), (5, 8), (2, 4), (16, 1), (13, 15), (15, 8), (9, 5), (10, 2), (9, 4), (12, 15), (10, 9), (9, 2), (11, 1),
)  # fmt: skip
"""A way to the first key, as (action, steps); found by phase 1."""


def unrolled(stretches: Sequence[tuple[int, int]]) -> list[int]:
    """Actions from (action, steps).

    >>> unrolled([(3, 2), (0, 1)])
    [3, 3, 0]
    """
    return [action for action, steps in stretches for _ in range(steps)]


@dataclass(frozen=True, kw_only=True)
class Montezuma(AtariRooms):
    """Montezuma's Revenge: 24 rooms a level, rewards far apart (Ecoffet et al., arXiv 1901.10995).

    An answer is a list of actions, indices into `AleWorld("montezuma_revenge").action_meanings`, each held for 4
    frames. It is played from the reset without sticky actions: scores are search results, not those of a policy.
    """

    env_id: str = "ale/montezuma_revenge"
    max_steps: int = 100_000
    low: float | None = 0.0

    name: ClassVar[str] = "montezuma"

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published means; who plays by a policy under sticky actions is said."""
        replication = "a public replication, from its pull request"
        return (
            Landmark("policy under sticky actions: best learner before, RND", 11_347, "", "the authors' 2018 post"),
            Landmark("policy under sticky actions: Go-Explore 2019, no domain knowledge", 43_763, "", FIRST),
            Landmark("policy under sticky actions: Go-Explore 2019, domain knowledge", 666_474, "", FIRST),
            Landmark("policy under sticky actions: Go-Explore 2021, no domain knowledge", 43_791, "", SECOND),
            Landmark("policy under sticky actions: policy-based Go-Explore 2021", 97_728, "", SECOND),
            Landmark("search: Go-Explore 2021 phase 1, no domain knowledge, 2 billion frames", 24_758, "", SECOND),
            Landmark("search: replication of phase 1, 500 million steps, one seed", 31_000, "", replication),
            Landmark("search: replication of phase 1, 500 million steps, one seed", 24, "rooms", replication),
        )

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """A way to the first key, 100 points; doing nothing and impossible actions earn nothing."""
        plain = super().probes(tasks)
        oracle = [Answer(task.id, unrolled(FIRST_KEY)) for task in tasks]
        return replace(plain, oracle=oracle, top=100.0)


@dataclass(frozen=True, kw_only=True)
class Pitfall(AtariRooms):
    """Pitfall: 255 rooms, treasures far apart, points lost by stumbling (Ecoffet et al., arXiv 1901.10995).

    An answer is a list of actions as in `Montezuma`. The score is the raw return and may be negative; an empty list
    has 0.
    """

    env_id: str = "ale/pitfall"
    max_steps: int = 100_000
    high: float | None = 112_000.0

    name: ClassVar[str] = "pitfall"

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published means; who plays by a policy under sticky actions is said."""
        return (
            Landmark("policy under sticky actions: Go-Explore 2019, domain knowledge, almost", 60_000, "", FIRST),
            Landmark("policy under sticky actions: Go-Explore 2021, no domain knowledge", 6_954, "", SECOND),
            Landmark("policy under sticky actions: policy-based Go-Explore 2021", 20_093, "", SECOND),
            Landmark("search: Go-Explore 2019 phase 1, domain knowledge, about", 70_264, "", FIRST),
            Landmark("search: Go-Explore 2019 phase 1, domain knowledge", 255, "rooms", FIRST),
        )
