"""The backward algorithm: episodes that start in a demonstration, end when they lag behind it, and move to its start.

`Lanes` is what PPO sees: worlds side by side that start again by themselves, each at a point of a demonstration that
the curriculum chooses. `Robustifier` is the whole of a training run, to be saved and resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import canonical
from guerdon.core.rng import stream
from guerdon.systems.go_explore.robustify.curriculum import Curriculum, Window
from guerdon.systems.go_explore.robustify.demos import Demo, reward_scale
from guerdon.systems.go_explore.robustify.noisy import NoisyWorlds
from guerdon.train import losses
from guerdon.train.advantages import discounted
from guerdon.train.ppo import PPO, Agent, Outcome, View, collect, improve

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.train.nets import Net

Array: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
NEVER = -1
PENDING = 50.0
"""Steps that a new episode is counted as, until it has taken its own."""


@dataclass(frozen=True, kw_only=True)
class Backward:
    """Settings of robustification; the defaults are those of 2021 (arXiv 2004.12919, methods)."""

    window: Window = field(default_factory=Window)
    """Where episodes start."""
    lag: int = 50
    """An episode ends when, after so many steps, its score is below all that the demonstration had within so many."""
    extra: float = 7.0
    """After a success an episode goes on for exp(U[0, extra]) steps; negative for none."""
    no_ops: int = 30
    """Most steps in which nothing is done before an episode."""
    boost_steps: int = 100
    """Steps after the start point with more entropy."""
    boost: float = 0.5
    """What logits are multiplied by in those steps."""
    warm_up: int = 64
    """Steps of the demonstration that are shown before the start point, to fill a memory; 0 without one."""
    virtual: bool = True
    """Whether the true start counts as a further demonstration (2021)."""
    rewards: Literal["demo", "clip", "raw", "small"] = "demo"
    """What is learned from: rewards scaled so that the demonstrations' mean |return| is 10 (2021), clipped to [-1, 1]
    (2019), times 0.001 (Pitfall in 2019), or as they are."""
    imitate: int = 0
    """Lanes of self-imitation for 32 lanes (2 in 2021)."""
    imitate_start: float = 0.3
    """Share of the self-imitation that begins at the true start."""


class Lanes:
    """Noisy worlds that start at points of demonstrations.

    Args:
        worlds: the lanes.
        demos: demonstrations; with none, every episode starts at `start`.
        start: the true start.
        settings: of the backward algorithm.
        gamma: discount, for the scale of the rewards.
        memory: whether the policy has one, that has to be warmed up.

    Attributes:
        rng: draws starts and noise; set before each chunk.
        frames: steps taken in the worlds.
    """

    rng: Rng

    def __init__(
        self, worlds: NoisyWorlds, demos: Sequence[Demo], start: Demo, settings: Backward, gamma: float, memory: bool
    ) -> None:
        real = [demo for demo in demos if not demo.virtual]
        self.worlds, self.settings, self.n = worlds, settings, worlds.n
        self.demos = [*real, start] if settings.virtual or not real else real
        self.curricula = [Curriculum(len(demo), settings.window) for demo in self.demos]
        self._warm_up = settings.warm_up if memory else 0
        self._scale = reward_scale(real, gamma) if settings.rewards == "demo" and real else 1.0
        target = max((demo.score for demo in real), default=np.inf)
        self._targets = np.array([target if demo.virtual else demo.score for demo in self.demos])
        self._floors = [_floor(demo, settings.lag) for demo in self.demos]
        self.frames, self.ticks = 0, 0
        self._used = np.zeros(len(self.demos), np.int64)
        self._lane = {name: np.zeros(self.n, np.int64) for name in ("demo", "start", "taken", "warm", "extra", "won")}
        self._score = np.zeros(self.n)
        self._begun = False

    def begin(self, rng: Rng) -> None:
        """Take the generator of a chunk; the first time, start all lanes."""
        self.rng = rng
        if not self._begun:
            self._restart(np.arange(self.n))
            self._begun = True

    def view(self) -> View:
        """What the policy sees; lanes that warm up see the demonstration, and their action is its."""
        lane, seen = self._lane, self.worlds.look()
        forced, warming = np.full(self.n, NEVER), np.flatnonzero(lane["warm"] > 0)
        if len(warming):
            seen = seen.copy()
            for i in warming:
                demo, at = self.demos[lane["demo"][i]], lane["start"][i] - lane["warm"][i]
                seen[i], forced[i] = demo.observations[at], demo.actions[at]
        full = np.minimum(self._warm_up, lane["start"])
        first = (lane["taken"] == 0) & (lane["warm"] == full)
        boosted = (lane["warm"] == 0) & (lane["taken"] < self.settings.boost_steps)
        scale = np.where(boosted, self.settings.boost, 1.0).astype(np.float32)
        return View(seen, first, lane["warm"] == 0, forced, scale)

    def step(self, actions: Array) -> Outcome:
        """A step in the lanes that have warmed up; where an episode ends, the next begins."""
        lane, active = self._lane, self._lane["warm"] == 0
        moved = self.worlds.step(actions.astype(np.int64), active)
        lane["taken"] += active
        lane["warm"] -= ~active
        self._score += np.where(active, moved.reward, 0.0)
        ready = np.flatnonzero(~active & (lane["warm"] == 0))
        over = active & (moved.terminated | self._finished(active))
        cut = active & moved.truncated & ~over
        self.frames += int(active.sum())
        self._used += np.bincount(lane["demo"][active], minlength=len(self.demos))
        final = moved.observation
        self._restart(np.flatnonzero(over | cut))
        self._place(ready)
        self._tick()
        return Outcome(self._shaped(moved.reward), over, cut, final)

    # ── episodes ────────────────────────────────────────────────────────────────────────────────────────────────

    def _finished(self, active: Array) -> Array:
        """Whether the demonstration's score is reached and the extra steps are over, or the episode lags behind."""
        lane, settings = self._lane, self.settings
        reached = active & (self._score >= self._targets[lane["demo"]])
        fresh = np.flatnonzero(reached & (lane["won"] == 0))
        lane["extra"] -= lane["won"]
        if len(fresh):
            lane["won"][fresh] = 1
            drawn = np.exp(self.rng.uniform(0.0, max(settings.extra, 0.0), len(fresh))).astype(np.int64)
            lane["extra"][fresh] = drawn if settings.extra >= 0 else 0
        behind = np.zeros(self.n, bool)
        for i, floor in enumerate(self._floors):
            if len(floor):
                mine = (lane["demo"] == i) & (lane["taken"] > settings.lag) & (lane["won"] == 0)
                at = np.minimum(lane["start"] + lane["taken"], len(floor) - 1)
                behind |= mine & (self._score < floor[at])
        finished: Array = ((lane["won"] == 1) & (lane["extra"] <= 0)) | behind
        return finished

    def _restart(self, lanes: Ints) -> None:
        """Note how episodes ended, and start the next ones."""
        lane = self._lane
        for i, curriculum in enumerate(self.curricula):
            ended = lanes[lane["demo"][lanes] == i] if self._begun else lanes[:0]
            if len(ended):
                curriculum.tell(lane["start"][ended], lane["won"][ended] == 1)
        if not len(lanes):
            return
        lane["demo"][lanes] = self._chosen(len(lanes))
        for i, curriculum in enumerate(self.curricula):
            mine = lanes[lane["demo"][lanes] == i]
            if len(mine):
                lane["start"][mine] = curriculum.draw(mine, self.n, self.rng)
                self._score[mine] = self.demos[i].returns[lane["start"][mine]]
        lane["warm"][lanes] = np.minimum(self._warm_up, lane["start"][lanes])
        lane["taken"][lanes], lane["extra"][lanes], lane["won"][lanes] = 0, 0, 0
        self._place(lanes if not self._begun else lanes[lane["warm"][lanes] == 0])

    def _place(self, lanes: Ints) -> None:
        if len(lanes):
            demos = [self.demos[i] for i in self._lane["demo"][lanes]]
            seeds = self.rng.integers(2**62, size=len(lanes))
            waits = self.rng.integers(self.settings.no_ops + 1, size=len(lanes))
            self.worlds.place(lanes, demos, self._lane["start"][lanes], seeds, waits)

    def _chosen(self, count: int) -> Ints:
        """A demonstration for each new episode, so that all get as many steps: those that had fewest go first."""
        if len(self.demos) == 1:
            return np.zeros(count, np.int64)
        used = self._used.astype(np.float64)
        found = np.zeros(count, np.int64)
        for k in range(count):
            found[k] = used.argmin()
            used[found[k]] += PENDING
        return found

    def _tick(self) -> None:
        self.ticks += 1
        if self.ticks % (self.settings.window.check_every * len(self.demos)) == 0:
            for curriculum in self.curricula:
                curriculum.move()

    def _shaped(self, reward: Array) -> Array:
        match self.settings.rewards:
            case "clip":
                shaped = np.clip(reward, -1.0, 1.0)
            case "small":
                shaped = reward * 0.001
            case _:
                shaped = reward * self._scale
        return shaped.astype(np.float32)

    # ── self-imitation and state ────────────────────────────────────────────────────────────────────────────────

    def imitations(self, steps: int, gamma: float, rng: Rng) -> dict[str, Array]:
        """Stretches of the demonstrations to imitate, as arrays `(T, K)`: what was seen, done and still to come.

        Returns:
            observations, actions, returns, success, first and mask.
        """
        real = [(demo, self.curricula[i]) for i, demo in enumerate(self.demos) if not demo.virtual]
        if not real:
            raise ConfigError("demonstrations to imitate", "got none", "Give some, or set imitate to 0")
        count = max(1, self.n * self.settings.imitate // 32)
        shape = real[0][0].observations.shape[1:]
        found: dict[str, Array] = {
            "observations": np.zeros((steps, count, *shape), real[0][0].observations.dtype),
            "actions": np.zeros((steps, count), np.int64),
            **{name: np.zeros((steps, count), np.float32) for name in ("returns", "success")},
            **{name: np.zeros((steps, count), bool) for name in ("first", "mask")},
        }
        for k in range(count):
            demo, curriculum = real[rng.integers(len(real))]
            begin = 0 if rng.random() < self.settings.imitate_start else int(rng.integers(len(demo)))
            part = slice(begin, min(begin + steps, len(demo)))
            length = part.stop - begin
            found["observations"][:length, k] = demo.observations[part]
            found["actions"][:length, k] = demo.actions[part]
            found["returns"][:length, k] = discounted(self._shaped(demo.rewards), gamma)[part]
            found["success"][:, k] = curriculum.rate[begin]
            found["first"][0, k], found["mask"][:length, k] = True, True
        return found

    def arrays(self) -> dict[str, Array]:
        """All of its state."""
        found = {f"lane/{name}": value for name, value in self._lane.items()} | {"score": self._score}
        found |= {"counts": np.array([self.frames, self.ticks, int(self._begun)]), "used": self._used}
        for i, curriculum in enumerate(self.curricula):
            found |= {f"curriculum{i}/{name}": value for name, value in curriculum.arrays().items()}
        return found | ({f"world/{name}": value for name, value in self.worlds.save().items()} if self._begun else {})

    def put(self, arrays: dict[str, Array]) -> None:
        """Take over what `arrays` gave."""
        self.frames, self.ticks, begun = (int(x) for x in arrays["counts"])
        self._begun, self._used = bool(begun), arrays["used"].copy()
        self._lane = {name: arrays[f"lane/{name}"].copy() for name in self._lane}
        self._score = arrays["score"].copy()
        for i, curriculum in enumerate(self.curricula):
            curriculum.put(_under(arrays, f"curriculum{i}/"))
        if self._begun:
            self.worlds.restore(_under(arrays, "world/"))


class Robustifier:
    """A training run: an agent, its lanes, and nothing else.

    Args:
        lanes: where it acts.
        agent: what it trains.
        settings: of PPO.
        seed: of everything random, together with the number of the chunk.
    """

    def __init__(self, lanes: Lanes, agent: Agent, settings: PPO, seed: int) -> None:
        self.lanes, self.agent, self.settings, self.seed = lanes, agent, settings, seed
        self.chunks = 0
        self.figures: dict[str, float] = {}

    @classmethod
    def new(
        cls,
        worlds: NoisyWorlds,
        demos: Sequence[Demo],
        start: Demo,
        net: Net,
        *,
        backward: Backward,
        ppo: PPO,
        seed: int,
        device: str = "cpu",
    ) -> Robustifier:
        """A fresh run.

        Args:
            worlds: the lanes.
            demos: demonstrations, perhaps none: then it is plain PPO from the start.
            start: the true start.
            net: of the policy.
            backward: settings of the backward algorithm.
            ppo: settings of PPO.
            seed: of everything random.
            device: of the network, as torch names it.
        """
        lanes = Lanes(worlds, demos, start, backward, ppo.gamma, net.memory > 0)
        return cls(lanes, Agent.new(net, worlds.n, ppo, stream(seed, "weights"), device), ppo, seed)

    def advance(self) -> None:
        """One chunk: act, then learn."""
        self.lanes.begin(stream(self.seed, "lanes", self.chunks))
        chunk = collect(self.agent, self.lanes, self.settings, stream(self.seed, "act", self.chunks))
        extra = None
        if self.lanes.settings.imitate and any(not demo.virtual for demo in self.lanes.demos):
            rng = stream(self.seed, "imitate", self.chunks)
            shown = self.lanes.imitations(self.settings.steps, self.settings.gamma, rng)
            extra = lambda agent: _imitation(agent, shown)  # noqa: E731
        self.figures = improve(self.agent, chunk, self.settings, stream(self.seed, "learn", self.chunks), extra)
        self.chunks += 1

    @property
    def frontier(self) -> int:
        """The latest of the start points at which the windows end now: 0 when all are at the start."""
        real = [c.maximum for c, demo in zip(self.lanes.curricula, self.lanes.demos, strict=True) if not demo.virtual]
        return max(real, default=0)

    def save(self, folder: Path) -> None:
        """Write agent, lanes and counters."""
        self.agent.save(folder)
        with (folder / "lanes.npz").open("wb") as file:
            np.savez(file, **self.lanes.arrays())  # type: ignore[arg-type]
        plain = {"chunks": self.chunks, "seed": self.seed, "figures": self.figures}
        (folder / "run.json").write_text(canonical(plain), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote.

        Raises:
            SolverError: it is not there, or not whole.
        """
        self.agent = Agent.load(folder, self.agent.net, self.settings, str(self.agent.device))
        try:
            plain = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            with np.load(folder / "lanes.npz", allow_pickle=False) as file:
                self.lanes.put({name: file[name] for name in file.files})
            self.chunks, self.seed, self.figures = int(plain["chunks"]), int(plain["seed"]), dict(plain["figures"])
        except (OSError, ValueError, KeyError) as error:
            raise SolverError(f"{folder.name} holds a saved run", str(error)[:200], "Save it again") from None


def _imitation(agent: Agent, shown: dict[str, Array]) -> Any:
    import torch

    tensors = {name: torch.tensor(array, device=agent.device) for name, array in shown.items()}
    empty = torch.zeros(shown["actions"].shape[1], agent.net.memory, device=agent.device)
    heads = agent.net.apply(agent.weights, tensors["observations"], tensors["first"], empty)
    return losses.self_imitation_loss(
        heads.logits, heads.values, tensors["actions"], tensors["returns"], success=tensors["success"],
        mask=tensors["mask"],
    )  # fmt: skip


def _floor(demo: Demo, lag: int) -> Array:
    """The least score that a demonstration had within `lag` steps of each step, and of those after its end."""
    if demo.virtual:
        return np.zeros(0)
    returns, length = demo.returns, len(demo)
    around = [returns[max(0, t - lag) : min(t + lag, length) + 1] for t in range(length + lag + 1)]
    return np.array([part.min() for part in around])


def _under(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}
