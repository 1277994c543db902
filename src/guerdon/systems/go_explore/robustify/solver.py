"""The solver `robustify`: phase 2 of Go-Explore on the bench's loop, for challenges whose answers are policies."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from guerdon.core.errors import SolverError
from guerdon.core.plain import Json, canonical
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged
from guerdon.systems.go_explore.robustify.backward import Backward, Robustifier
from guerdon.systems.go_explore.robustify.curriculum import Window
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.systems.go_explore.robustify.phase_one import find_demo, read_demos
from guerdon.systems.go_explore.robustify.policy import written
from guerdon.train.nets import VectorNet
from guerdon.train.ppo import PPO

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


@dataclass
class Run:
    """Where a run stands.

    Args:
        trained: the training run.
        grid: what its worlds were made with.
        demos: actions of the demonstrations.
        frames: that the last answer was handed in at.
        best: highest share of successes that the judge saw.
    """

    trained: Robustifier
    grid: dict[str, Json]
    demos: list[list[int]]
    frames: int = 0
    best: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Robustify(Learner[Run]):
    """The backward algorithm with PPO (arXiv 1812.03381; 1901.10995, section 2.2; 2004.12919, methods).

    Episodes start at points of a demonstration near its end; where enough of them succeed, the points move towards its
    start. The defaults fit a grid of 66 steps: distances in steps are a tenth of those published for Atari (window 160,
    raise 100, boost 100), lanes and learning rate are larger. Between two answers it trains for `chunks` chunks.
    """

    demos: tuple[str, ...] = ()
    """JSON files with a demonstration each: a trajectory, or a list of actions. With none, phase 1 finds one first."""
    backward: bool = True
    """Start from demonstrations; without, it is plain PPO from the true start, the control."""
    chunks: int = 10
    """Chunks of training between two answers."""
    until: float = 0.99
    """End the run when an answer succeeds in this share of episodes."""
    lanes: int = 128
    """Worlds side by side."""
    hidden: int = 64
    """Units of each of the two hidden layers."""
    window: int = 16
    """Start points in the window (source: 160 in 2021, 320 in 2019)."""
    random_start: float = 0.2
    """Share of starts drawn between the slot and the demonstration's end (source: 0.2)."""
    threshold: float = 0.1
    """Cumulated success that moves the window (source: 0.1; 0.2 in the original method)."""
    check_every: int = 200
    """Steps between moves of the window, for each demonstration (source: 200)."""
    raise_by: int = 10
    """How far the window goes forward again where success is missing (source: 100)."""
    lag: int = 50
    """Steps within which the demonstration's score must be kept up with (source: 50)."""
    extra: float = 7.0
    """After a success, exp(U[0, extra]) further steps (source: 7)."""
    no_ops: int = 30
    """Most steps of waiting before an episode (source: 30)."""
    boost_steps: int = 10
    """Steps after the start point with halved logits (source: 100)."""
    boost: float = 0.5
    """What logits are multiplied by in those steps (source: 0.5)."""
    virtual: bool = True
    """Also train from the true start (source: 2021)."""
    rewards: Literal["demo", "clip", "raw", "small"] = "demo"
    """Scaled to a mean return of 10 (2021), clipped (2019), as they are, or times 0.001 (2019, Pitfall)."""
    imitate: int = 0
    """Lanes of self-imitation for 32 lanes (source: 2 in 2021)."""
    imitate_start: float = 0.3
    """Share of self-imitation from the true start (source: 0.3)."""
    steps: int = 128
    """Steps of a chunk (source: 128)."""
    epochs: int = 4
    """Times that a chunk is gone through (source: 4)."""
    minibatches: int = 4
    """Parts of a chunk."""
    learning_rate: float = 1e-3
    """Of Adam (source: 1e-4)."""
    gamma: float = 0.999
    """Discount (source: 0.999)."""
    lam: float = 0.95
    """Of generalised advantage estimation (source: 0.95)."""
    clip: float = 0.1
    """Of PPO's ratio (source: 0.1)."""
    entropy: float = 1e-4
    """Weight of the entropy (source: 1e-4 in 2019, 1e-5 in 2021)."""
    value: float = 0.5
    """Weight of the value loss (source: 0.5)."""
    l2: float = 1e-7
    """Weight of the squared weights (source: 1e-7)."""

    name: ClassVar[str] = "robustify"

    def fingerprint(self) -> list[Json]:
        """The demonstrations themselves, wherever their files are."""
        return [list(actions) for actions in read_demos(self.demos)]

    def start(self, problem: Problem, rng: Rng) -> Run:
        """Find or read the demonstrations; fresh weights.

        Raises:
            SolverError: the tasks are of no grid, or of several.
        """
        grid = _grid_of(problem)
        seed = int(rng.integers(2**31))
        demos = [list(actions) for actions in read_demos(self.demos)]
        if self.backward and not demos:
            demos = [find_demo(str(grid["layout"]), int(str(grid["max_steps"])), rng)]
        return self.prepared(grid, demos if self.backward else [], seed)

    def ask(self, problem: Problem, state: Run, rng: Rng) -> Sequence[Answer]:
        """The policy as it is now; nothing more once it is sure enough."""
        if state.best >= self.until:
            return []
        content, new = weights_of(state.trained), state.trained.lanes.frames - state.frames
        return [Answer(task.id, content, note={"frames": 0 if i else new}) for i, task in enumerate(problem.tasks)]

    def tell(self, problem: Problem, state: Run, judged: Sequence[Judged], rng: Rng) -> Run:
        """Train for some chunks."""
        values = [item.score.value for item in judged if item.score.value is not None]
        if values:
            state.best = max(state.best, min(values))
        state.frames = state.trained.lanes.frames
        if state.best < self.until:
            with one_thread():
                for _ in range(self.chunks):
                    state.trained.advance()
        return state

    def save(self, state: Run, folder: Path) -> None:
        """Everything, to the bit."""
        state.trained.save(folder)
        plain = {"grid": state.grid, "demos": state.demos, "frames": state.frames, "best": state.best}
        (folder / "state.json").write_text(canonical(plain), encoding="utf-8")

    def load(self, folder: Path) -> Run:
        """What `save` wrote."""
        plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        state = self.prepared(plain["grid"], plain["demos"], 0)
        state.trained.load(folder)
        state.frames, state.best = plain["frames"], plain["best"]
        return state

    def progress(self, state: Run) -> Mapping[str, str | int | float]:
        """Where the window ends, of how many start points, and the frames so far."""
        length = max(map(len, state.demos), default=0)
        where = {"start point": f"{state.trained.frontier} of {length - 1}"} if length else {}
        return {**where, "frames": state.trained.lanes.frames, "best": state.best}

    def settings(self) -> tuple[Backward, PPO]:
        """The fields, as the settings of the two algorithms."""
        window = Window(
            size=self.window, random=self.random_start, threshold=self.threshold, check_every=self.check_every,
            raise_by=self.raise_by,
        )  # fmt: skip
        shared = ("lag", "extra", "no_ops", "boost_steps", "boost", "virtual", "rewards", "imitate", "imitate_start")
        ours = ("steps", "epochs", "minibatches", "learning_rate", "gamma", "lam", "clip", "entropy", "value", "l2")
        backward: dict[str, Any] = {name: getattr(self, name) for name in shared}
        ppo: dict[str, Any] = {name: getattr(self, name) for name in ours}
        return Backward(window=window, **backward), PPO(**ppo)

    def prepared(self, grid: Mapping[str, Json], demos: list[list[int]], seed: int) -> Run:
        """A run before its first step.

        Args:
            grid: layout, sticky and max_steps.
            demos: actions of demonstrations; none for plain PPO from the true start.
            seed: of everything random.
        """
        arguments: dict[str, Any] = {name: grid[name] for name in ("sticky", "max_steps", "layout")}
        worlds = GridWorlds(self.lanes, **arguments)
        net = VectorNet(inputs=3, actions=4, categories=worlds.categories, hidden=(self.hidden, self.hidden))
        backward, ppo = self.settings()
        trained = Robustifier.new(
            worlds, [worlds.record(demo) for demo in demos], worlds.record([0]).start(), net,
            backward=backward, ppo=ppo, seed=seed,
        )  # fmt: skip
        return Run(trained, dict(grid), demos)


def weights_of(trained: Robustifier) -> dict[str, Json]:
    """A policy without a memory as an answer of `key-door`."""
    weights = {name: value.detach().cpu().numpy() for name, value in trained.agent.weights.items()}
    count = sum(name.startswith("layer") and name.endswith("weight") for name in weights)
    names = [f"layer{i}" for i in range(count)] + ["policy"]
    return written([(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in names])


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread: faster for small networks, and the same to the bit wherever it is resumed."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _grid_of(problem: Problem) -> dict[str, Json]:
    wanted = ("layout", "sticky", "max_steps")
    grids = [{name: task.data.get(name) for name in wanted} for task in problem.tasks]
    if any(None in grid.values() for grid in grids) or any(grid != grids[0] for grid in grids):
        raise SolverError(
            "tasks of one grid, each with layout, sticky and max_steps", f"got {problem.name}",
            "Take key-door; for other worlds use Robustifier with SnapshotWorlds",
        )  # fmt: skip
    return grids[0]
