"""PPO learns what can be learned, resumes to the bit, and its memory starts empty with each episode."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.core.errors import SolverError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.nets import ScreenNet, VectorNet, initial  # noqa: E402
from guerdon.train.ppo import PPO, Agent, Outcome, View, _sampled, collect, improve, torch_generator  # noqa: E402


class Recall:
    """A cue is shown once, then nothing for two steps, then the action must repeat it: only a memory can."""

    def __init__(self, n: int) -> None:
        self.n, self.t, self.rng = n, 0, np.random.default_rng(0)
        self.cue = self.rng.integers(2, size=n)

    def view(self) -> View:
        seen = np.zeros((self.n, 3), np.float32)
        if self.t == 0:
            seen[np.arange(self.n), self.cue] = 1.0
        seen[:, 2] = self.t == 2
        yes = np.ones(self.n, bool)
        return View(seen, np.full(self.n, self.t == 0), yes, np.full(self.n, -1), np.ones(self.n, np.float32))

    def step(self, actions) -> Outcome:
        last = self.t == 2
        reward = (actions == self.cue).astype(np.float32) * last
        final = self.view().observation
        self.t = 0 if last else self.t + 1
        if last:
            self.cue = self.rng.integers(2, size=self.n)
        return Outcome(reward, np.full(self.n, last), np.zeros(self.n, bool), final)


def train(net: VectorNet, settings: PPO, lanes: Recall, chunks: range, agent: Agent | None = None) -> Agent:
    agent = agent or Agent.new(net, lanes.n, settings, stream(0, "weights"))
    for i in chunks:
        chunk = collect(agent, lanes, settings, stream(0, "act", i))
        improve(agent, chunk, settings, stream(0, "learn", i))
    return agent


def reward_of(agent: Agent, settings: PPO) -> float:
    lanes = Recall(256)
    agent = Agent(agent.net, agent.weights, agent.optimiser, torch.zeros(256, agent.net.memory))
    real = lanes.step
    got: list[float] = []
    lanes.step = lambda actions: (out := real(actions), got.append(float(out.reward.mean())))[0]  # type: ignore[method-assign]
    collect(agent, lanes, settings, stream(1, "eval"))
    return sum(got) / (len(got) / 3)


RECALL = PPO(steps=12, learning_rate=1e-2, gamma=0.9, minibatches=2, burn_in=3, entropy=1e-3)


def test_a_memory_solves_what_none_cannot() -> None:
    with_memory = train(VectorNet(inputs=3, actions=2, hidden=(16,), memory=16), RECALL, Recall(64), range(60))
    without = train(VectorNet(inputs=3, actions=2, hidden=(16,)), RECALL, Recall(64), range(60))
    assert reward_of(with_memory, RECALL) > 0.9
    assert 0.3 < reward_of(without, RECALL) < 0.7


@pytest.mark.parametrize("memory", [0, 8])
def test_saved_and_loaded_it_goes_on_to_the_bit(tmp_path, memory: int) -> None:
    net = VectorNet(inputs=3, actions=2, hidden=(8,), memory=memory)
    whole = train(net, RECALL, Recall(8), range(6))
    lanes = Recall(8)
    half = train(net, RECALL, lanes, range(3))
    half.save(tmp_path)
    again = train(net, RECALL, lanes, range(3, 6), Agent.load(tmp_path, net, RECALL))
    assert again.updates == whole.updates > 0
    for name, weight in whole.weights.items():
        assert torch.equal(weight, again.weights[name]), name
    assert torch.equal(whole.memory, again.memory)


def test_another_network_is_refused(tmp_path) -> None:
    net = VectorNet(inputs=3, actions=2, hidden=(8,))
    train(net, RECALL, Recall(8), range(1)).save(tmp_path)
    with pytest.raises(SolverError, match="this network"):
        Agent.load(tmp_path, VectorNet(inputs=3, actions=2, hidden=(9,)), RECALL)
    (tmp_path / "agent.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(SolverError, match="holds a saved agent"):
        Agent.load(tmp_path, net, RECALL)


def test_what_was_acted_on_is_what_is_learned_from() -> None:
    """Before any update the ratio is 1 in every step, burn-in and episode starts included."""
    net = VectorNet(inputs=3, actions=2, hidden=(8,), memory=8)
    agent, lanes = Agent.new(net, 8, RECALL, stream(3, "w")), Recall(8)
    for i in range(2):  # the second chunk begins in the middle of nothing and has a tail
        chunk = collect(agent, lanes, RECALL, stream(3, "act", i))
    assert chunk.tail is not None
    from guerdon.train import losses
    from guerdon.train.ppo import _read

    logits, values = _read(agent, chunk, torch.arange(8))
    torch.testing.assert_close(losses.log_probabilities(logits, chunk.actions), chunk.log_probs)
    torch.testing.assert_close(values, chunk.values)


def test_the_memory_is_empty_at_the_first_step() -> None:
    net = VectorNet(inputs=2, actions=3, hidden=(4,), memory=6)
    weights = initial(net, torch_generator(stream(0, "w")))
    seen = torch.randn(5, 2, 2)
    first = torch.zeros(5, 2, dtype=torch.bool)
    first[2] = True
    used = net.apply(weights, seen, first, torch.randn(2, 6))
    fresh = net.apply(weights, seen[2:], first[2:], torch.zeros(2, 6))
    torch.testing.assert_close(used.logits[2:], fresh.logits)
    torch.testing.assert_close(used.memory, fresh.memory)


def test_the_gru_is_torchs() -> None:
    net = VectorNet(inputs=4, actions=3, hidden=(), memory=5)
    weights = initial(net, torch_generator(stream(0, "w")))
    known = torch.nn.GRU(4, 5)
    pairs = {"weight_ih_l0": "gru.input", "weight_hh_l0": "gru.memory", "bias_ih_l0": "gru.input_bias"}
    with torch.no_grad():
        weights["gru.input_bias"] += 0.3
        for theirs, mine in {**pairs, "bias_hh_l0": "gru.memory_bias"}.items():
            getattr(known, theirs).copy_(weights[mine])
    seen = torch.randn(7, 2, 4)
    heads = net.apply(weights, seen, torch.zeros(7, 2, dtype=torch.bool), torch.zeros(2, 5))
    torch.testing.assert_close(heads.memory, known(seen)[1][0])


def test_the_published_screen_net_has_the_published_sizes() -> None:
    shapes = ScreenNet().shapes()
    assert shapes["conv0.weight"] == (64, 12, 8, 8)
    assert shapes["features.weight"] == (800, 128 * 9 * 6)
    assert shapes["gru.memory"] == (2400, 800)
    small = ScreenNet(channels=(4, 4, 4), features=8, memory=8, actions=3)
    heads = small.apply(
        initial(small, torch_generator(stream(0, "w"))),
        torch.zeros(2, 3, 105, 80, 12, dtype=torch.uint8), torch.zeros(2, 3, dtype=torch.bool), torch.zeros(3, 8),
    )  # fmt: skip
    assert tuple(heads.logits.shape) == (2, 3, 3)
    assert tuple(heads.memory.shape) == (3, 8)


def test_sampled_actions_have_the_policys_frequencies() -> None:
    logits = np.tile(np.log([0.5, 0.3, 0.2]), (60_000, 1)).astype(np.float32)
    counts = np.bincount(_sampled(logits, np.random.default_rng(0).random(60_000, np.float32)), minlength=3)
    assert np.abs(counts / 60_000 - [0.5, 0.3, 0.2]).max() < 0.01
    assert _sampled(np.zeros((1, 3), np.float32), np.array([1.0], np.float32)).tolist() == [2]


def test_forced_steps_are_taken_and_a_cut_uses_the_last_observation() -> None:
    class Cut:
        n = 2

        def view(self) -> View:
            one = np.ones((2, 1), np.float32)
            return View(one, np.ones(2, bool), np.array([True, False]), np.array([-1, 1]), np.ones(2, np.float32))

        def step(self, actions) -> Outcome:
            assert actions[1] == 1
            no = np.zeros(2, bool)
            return Outcome(np.zeros(2, np.float32), no, np.array([True, False]), np.full((2, 1), 5.0, np.float32))

    settings = PPO(steps=1, gamma=0.5, lam=1.0)
    net = VectorNet(inputs=1, actions=2, hidden=())
    agent = Agent.new(net, 2, settings, stream(0, "w"))
    with torch.no_grad():
        agent.weights["value.weight"].fill_(1.0)
    chunk = collect(agent, Cut(), settings, stream(0, "a"))
    assert chunk.targets.tolist() == [[2.5, 0.0]]  # half of V(5); the masked step has none
    assert chunk.frames == 1
