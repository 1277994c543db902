"""Two processes on halves of a batch take the step that one takes on the whole batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from guerdon.core.rng import stream  # noqa: E402
from guerdon.train import distributed  # noqa: E402
from guerdon.train.kl import AdaptiveKL  # noqa: E402
from guerdon.train.learners import GRPO, PPO, RLOO, SFT  # noqa: E402
from guerdon.train.loop import train  # noqa: E402
from guerdon.train.rollouts import Rollouts, Sampling, collect  # noqa: E402
from guerdon.train.state import State  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy  # noqa: E402

LEARNERS = {
    "ppo": PPO(lr=1e-2, epochs=2, kl=AdaptiveKL(start=0.1), normalise="running", target_kl=0.5),
    "grpo": GRPO(lr=1e-2, aggregate="token", scale="batch", epochs=2),
    "rloo": RLOO(lr=1e-2, standardise=True),
    "sft": SFT(lr=1e-2, epochs=2, batch=64),
}
TOLERANCE = 1e-5  # sums of single-precision gradients in another order, after one or two steps of Adam


def policy() -> TinyPolicy:
    return TinyPolicy(TinyLM.new(TinyGRU(vocabulary=12, width=16), stream(0, "weights")))


def score(_: Any, drawn: Any) -> Any:
    found = (drawn.ids == 5).mean(1)
    found[3::8] = np.nan
    return found


def whole() -> Rollouts:
    prompts = np.repeat(stream(1, "prompts").integers(2, 10, (8, 2)), 4, 0)
    return collect(policy(), prompts, score, Sampling(most=6, group=4), stream(2, "draw"))


def part(of: Rollouts, which: slice) -> Rollouts:
    some = of.take(np.arange(len(of))[which])
    object.__setattr__(some, "group", of.group)
    return some


def updated(name: str, some: Rollouts) -> State:
    ours, learner = policy(), LEARNERS[name]
    state: State = learner.update(ours, learner.start(ours, 0), some, stream(3, "order"))[0]
    return state


def work(folder: Path) -> None:
    """What each of the processes does."""
    torch.set_num_threads(1)
    rank, processes = distributed.begin(cpu=True)
    assert processes == 2
    everything = whole()
    half = slice(0, 12) if rank == 0 else slice(12, None)  # unequal halves
    for name in LEARNERS:
        updated(name, part(everything, half)).save(folder / f"{name}-{rank}")
    how: dict[str, Any] = {"iterations": 4, "batch": 16, "sampling": Sampling(most=5, group=4), "seed": 0}
    made = train(policy(), GRPO(lr=1e-2), stream(1, "all").integers(2, 10, (8, 2)), score, folder=folder / "run", **how)
    made.state.save(folder / f"trained-{rank}")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    around = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import pathlib, test_distributed as t; "
    command = [sys.executable, "-c", code + f"t.work(pathlib.Path({str(folder)!r}))"]
    running = [
        subprocess.Popen(
            command, env=around | {"RANK": str(k), "LOCAL_RANK": str(k)}, stderr=subprocess.PIPE, text=True
        )
        for k in range(2)
    ]
    for each in running:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors[-3000:]
    return folder


@pytest.mark.parametrize("name", LEARNERS)
def test_the_step_of_two_is_the_step_of_one(name: str, done: Path) -> None:
    alone = updated(name, whole())
    one, two = (State.load(done / f"{name}-{rank}") for rank in range(2))
    assert one.numbers == two.numbers
    assert one.numbers == pytest.approx(alone.numbers, rel=1e-6)
    for key, each in alone.policy.weights.items():
        assert torch.equal(one.policy.weights[key], two.policy.weights[key])
        assert torch.allclose(one.policy.first[key], alone.policy.first[key], atol=TOLERANCE)
        assert float(torch.isclose(one.policy.weights[key], each, atol=TOLERANCE).double().mean()) > 0.98
    if alone.critic is not None:
        assert one.critic is not None
        for key, each in alone.critic.first.items():
            assert torch.allclose(one.critic.first[key], each, atol=TOLERANCE)


def test_processes_that_train_together_stay_together(done: Path) -> None:
    one, two = (State.load(done / f"trained-{rank}") for rank in range(2))
    assert one.iteration == 4
    for key, each in one.policy.weights.items():
        assert torch.equal(each, two.policy.weights[key])
        assert not torch.equal(each, policy().start().weights[key])
    assert [each.name for each in (done / "run").glob("state-*")] == ["state-00000004"]


def test_alone_everything_stays_as_it_is() -> None:
    assert distributed.place() == (0, 1)
    assert distributed.totals([1.0, 2.5]) == [1.0, 2.5]
    assert distributed.most(3) == 3
