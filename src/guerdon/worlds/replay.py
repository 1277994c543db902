"""Trajectories that prove their score: anybody can play the actions again and must get the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Blob, Json, canonical, digest
from guerdon.core.reward import Reward
from guerdon.core.score import Fault, FaultKind, Score
from guerdon.core.task import Case
from guerdon.worlds.errors import WorldError
from guerdon.worlds.spaces import fingerprint
from guerdon.worlds.world import World, checked_seed

MARK_EVERY = 50


@dataclass(frozen=True, slots=True)
class Trajectory:
    """An episode as its actions, with what is needed to prove it. Plain data all through.

    Args:
        world: the world's identity: id, arguments, versions, digests of code and ROM.
        seed: what it was reset with.
        actions: plain, in order.
        score: sum of the rewards.
        rewards: (step, reward) wherever a reward was not zero.
        start: digest of the first observation.
        marks: digest of every 50th observation, so that a failed replay names a step nearby.
        end: digest of the last observation and of the world's state, as far as it shows it.
        ended: whether the episode was over after the last action.
    """

    world: Mapping[str, Json]
    seed: int
    actions: tuple[Json, ...]
    score: float
    rewards: tuple[tuple[int, float], ...]
    start: str
    marks: tuple[str, ...]
    end: str
    ended: bool

    @property
    def id(self) -> str:
        """Content address."""
        return digest(self.plain())

    def plain(self) -> dict[str, Json]:
        """As JSON-plain data."""
        found: dict[str, Json] = json.loads(canonical({**asdict(self), "world": dict(self.world)}))
        return found

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Trajectory:
        """From what `plain` returned.

        Raises:
            ConfigError: it is no trajectory.
        """
        try:
            return cls(
                dict(plain["world"]), checked_seed(plain["seed"]), tuple(plain["actions"]), float(plain["score"]),
                tuple((int(step), float(reward)) for step, reward in plain["rewards"]), str(plain["start"]),
                tuple(str(mark) for mark in plain["marks"]), str(plain["end"]), bool(plain["ended"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            text = f"{type(error).__name__}: {error}"
            raise ConfigError("a trajectory", text, "Give what Trajectory.plain returned") from None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a trajectory holds.

    Args:
        ok: true if everything came out the same.
        step: the step at which it did not; -1 for the reset and for what is wrong before it; `None` if all is well.
        score: what the replay gave, up to there.
        fault: why not.
    """

    ok: bool
    step: int | None
    score: float
    fault: Fault | None = None


def perform(world: Any, seed: int, actions: Sequence[Json]) -> Trajectory:
    """Play plain actions from a reset and keep the proof.

    Args:
        world: a `World` or an `AleWorld`.
        seed: of the reset.
        actions: plain, as `world.encode` gives them.

    Raises:
        WorldError: an action is not possible, or comes after the end.
    """
    observation, _ = world.reset(seed)
    start, score, rewards, marks = fingerprint(observation), 0.0, [], []
    for i, action in enumerate(actions):
        step = world.step(world.decode(action))
        score += step.reward
        if step.reward:
            rewards.append((i, step.reward))
        if (i + 1) % MARK_EVERY == 0:
            marks.append(fingerprint(step.observation)[:16])
    identity = world.identity()
    return Trajectory(
        identity, world.seed, tuple(actions), score, tuple(rewards), start, tuple(marks), world.digest(), world.ended
    )


def replay(trajectory: Trajectory, world: Any = None, seed: int | None = None) -> Verdict:
    """Play a trajectory again, strictly: same world to the byte, same seed, every action possible, same outcome.

    Args:
        trajectory: what is claimed.
        world: the world to play in; by default one is opened from the trajectory's identity.
        seed: the seed that it must have been played with, if not any.
    """
    if seed is not None and trajectory.seed != checked_seed(seed):
        return _wrong(-1, 0.0, f"played with seed {trajectory.seed}, not {seed}")
    try:
        world = open_world(trajectory.world) if world is None else world
        mine, theirs = world.identity(), trajectory.world
        other = next((name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)), None)
        if other is not None:
            return _wrong(-1, 0.0, f"another {other}: {str(theirs.get(other))[:80]}, here {str(mine.get(other))[:80]}")
        return _replayed(trajectory, world)
    except WorldError as error:
        return Verdict(False, error.step, 0.0, error.fault)
    except ConfigError as error:
        return _wrong(-1, 0.0, str(error))


def _replayed(claim: Trajectory, world: Any) -> Verdict:
    observation, _ = world.reset(claim.seed)
    if fingerprint(observation) != claim.start:
        return _wrong(-1, 0.0, "the first observation differs")
    expected, score, last = dict(claim.rewards), 0.0, len(claim.actions) - 1
    for i, action in enumerate(claim.actions):
        step = world.step(world.decode(action))
        score += step.reward
        if step.reward != expected.get(i, 0.0):
            return _wrong(i, score, f"reward {step.reward}, claimed {expected.get(i, 0.0)}")
        mark = (i + 1) // MARK_EVERY - 1
        if (i + 1) % MARK_EVERY == 0 and claim.marks[mark : mark + 1] != (fingerprint(step.observation)[:16],):
            return _wrong(i, score, f"the observation differs, between steps {i + 1 - MARK_EVERY} and {i}")
        if step.ended and i < last:
            return _wrong(i + 1, score, f"{last - i} actions after the end")
    if world.ended != claim.ended:
        return _wrong(last, score, f"the episode is {'over' if world.ended else 'not over'} after the last action")
    if world.digest() != claim.end:
        return _wrong(last, score, "the last observation or state differs")
    if score != claim.score:
        return _wrong(last, score, f"score {score}, claimed {claim.score}")
    return Verdict(True, None, score)


def _wrong(step: int, score: float, what: str) -> Verdict:
    where = "before the first step" if step < 0 else f"step {step}"
    return Verdict(False, step, score, Fault(FaultKind.INVALID, f"{where}: {what}"))


def open_world(identity: Mapping[str, Json], **arguments: Any) -> Any:
    """The world with an identity, as far as this machine has it.

    Args:
        identity: what `identity()` returned.
        arguments: more for its constructor, such as `render_mode`.
    """
    name = str(identity.get("id", ""))
    if name.startswith("ale/"):
        from guerdon.worlds.ale import AleWorld

        frame_skip, sticky, limit = (identity.get(key) for key in ("frame_skip", "sticky", "max_frames"))
        everything = len(str(identity.get("actions", "")).split(",")) == 18
        return AleWorld(
            name[4:], frame_skip=frame_skip, sticky=sticky, max_frames=limit, all_actions=everything, **arguments  # type: ignore[arg-type]
        )  # fmt: skip
    limit = identity.get("max_steps")
    made_with = json.loads(str(identity.get("arguments", "{}")))
    return World(name, max_steps=limit, arguments={**made_with, **arguments})  # type: ignore[arg-type]


def world_of(env_id: str, arguments: str = "{}", max_steps: int | None = None) -> Any:
    """A fresh world by name: a Gymnasium id, or `ale/GAME` for the raw emulator.

    Args:
        env_id: the name.
        arguments: keyword arguments for `gymnasium.make` or `AleWorld`, as a JSON object.
        max_steps: longest episode, in steps.

    Raises:
        ConfigError: it cannot be made.
    """
    made_with = json.loads(arguments)
    if not env_id.startswith("ale/"):
        return World(env_id, max_steps=max_steps, arguments=made_with)
    from guerdon.worlds.ale import AleWorld

    try:
        world = AleWorld(env_id[4:], **made_with)
    except TypeError as error:
        raise ConfigError("arguments of AleWorld", str(error), "Give frame_skip, sticky, all_actions") from None
    if max_steps is not None:
        world.max_frames = min(world.max_frames, max_steps * world.frame_skip)
    return world


class Witness(Protocol):
    """Sees an answer played and says more about it than its return."""

    def see(self, world: Any) -> None:
        """The world after its reset, and after each step."""

    def parts(self) -> dict[str, float]:
        """What goes into the score's parts, beside `steps` and `ended`."""


_world = lru_cache(maxsize=8)(world_of)  # one world per worker process, kept between batches


@dataclass(frozen=True, kw_only=True)
class ReplayReward(Reward):
    """Judges a list of actions by playing it: the score is the return on the key's seed.

    The key is the seed, or `{"seed": seed}`. An answer that is no list of possible actions is the fault `invalid` with
    the step. A world that breaks its contract is a fault of the judge.

    Args:
        env_id: Gymnasium id, or `ale/GAME` for the raw emulator.
        arguments: keyword arguments for `gymnasium.make` or `AleWorld`, as a JSON object.
        max_steps: longest episode; longer answers are invalid.
        low: smallest return possible, where there is one.
        high: largest return possible, where there is one.
        after_end: what actions after the end of the episode are: the fault `invalid`, or not played.
    """

    env_id: str
    arguments: str = "{}"
    max_steps: int = 1000
    low: float | None = None
    high: float | None = None
    after_end: Literal["fault", "ignore"] = "fault"

    @property
    def range(self) -> tuple[float, float]:  # type: ignore[override]
        """From `low` to `high`; infinite where they are not known."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high

    @property
    def name(self) -> str:
        """The id of the world."""
        return f"return on {self.env_id}"

    def fingerprint(self) -> dict[str, Json]:
        """The world's versions and digests: a verdict is of one exact world."""
        identity: dict[str, Json] = _world(self.env_id, self.arguments, self.max_steps).identity()
        return identity

    def witness(self) -> Witness | None:
        """A fresh witness for each answer; for subclasses that know more of their world."""
        return None

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Play each answer."""
        world = _world(self.env_id, self.arguments, self.max_steps)
        return [self._played(world, case) for case in cases]

    def _played(self, world: Any, case: Case) -> Score:
        actions = case.answer.content
        if isinstance(actions, Blob) or not isinstance(actions, (list, tuple)):
            return Score.failed(FaultKind.INVALID, f"a list of actions was expected, got a {type(actions).__name__}")
        if len(actions) > self.max_steps:
            return Score.failed(FaultKind.INVALID, f"step {self.max_steps}: {len(actions)} actions are too many")
        seed = case.key["seed"] if isinstance(case.key, Mapping) else case.key
        value, witness = 0.0, self.witness()
        try:
            world.reset(seed)
            if witness is not None:
                witness.see(world)
            for action in actions:
                if world.ended and self.after_end == "ignore":
                    break
                value += world.step(world.decode(action)).reward
                if witness is not None:
                    witness.see(world)
        except WorldError as error:
            fault = error.fault
            return Score.failed(fault.kind, fault.detail, parts={"steps": world.steps})
        more = witness.parts() if witness is not None else {}
        return Score(value, {"steps": world.steps, "ended": float(world.ended), **more})
