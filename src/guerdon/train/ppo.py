"""Proximal policy optimisation for many worlds side by side, with or without a memory.

    chunk = collect(agent, lanes, settings, rng)      T steps of N lanes
    figures = improve(agent, chunk, settings, rng)    some epochs of minibatches of lanes

Nothing random is kept between calls: each is given its generator, so that a run that was stopped goes on to the bit
from weights, optimiser, memory and lanes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError
from guerdon.core.plain import canonical
from guerdon.train import losses
from guerdon.train.advantages import gae, standardised
from guerdon.train.nets import Heads, Net, Weights, initial

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Array: TypeAlias = npt.NDArray[Any]
Tensor: TypeAlias = Any
FORMAT = "guerdon-agent-1"


@dataclass(frozen=True, kw_only=True)
class PPO:
    """Settings; the defaults are those of robustification (arXiv 1901.10995 and 2004.12919, methods)."""

    steps: int = 128
    """Steps of a chunk."""
    epochs: int = 4
    """Times that a chunk is gone through."""
    minibatches: int = 4
    """Parts of a chunk; a part is some of the lanes, over all steps."""
    learning_rate: float = 1e-4
    """Of Adam."""
    gamma: float = 0.999
    """Discount per step."""
    lam: float = 0.95
    """Of generalised advantage estimation."""
    clip: float = 0.1
    """How far the ratio of probabilities may go."""
    value_clip: float | None = None
    """How far a value may go from the old one; by default as far as it likes."""
    entropy: float = 1e-5
    """Weight of the entropy (1e-4 in 2019, 1e-5 in 2021)."""
    value: float = 0.5
    """Weight of the squared error of the values."""
    l2: float = 1e-7
    """Weight of the squared weights."""
    adam_eps: float = 1e-6
    """Epsilon of Adam."""
    max_grad_norm: float = 0.5
    """Gradients longer than this are shortened; the usual value, the publications name none."""
    burn_in: int = 64
    """Steps before a chunk that are read again to warm the memory, without a loss; 0 without a memory."""


class View(NamedTuple):
    """What lanes show before a step.

    Args:
        observation: `(N, ...)`.
        first: `(N,)`, true where an episode begins: the memory is empty.
        learn: `(N,)`, false where the step is none of the policy's: no loss.
        forced: `(N,)` of int64: the action that is taken whatever the policy says, or -1.
        scale: `(N,)` of float32, by which logits are multiplied: 0.5 is more entropy.
    """

    observation: Array
    first: Array
    learn: Array
    forced: Array
    scale: Array


class Outcome(NamedTuple):
    """What a step of all lanes gives; a lane that ended shows its next episode's start in the next view.

    Args:
        reward: `(N,)`, as it is learned from.
        terminated: `(N,)`, over.
        truncated: `(N,)`, stopped watching.
        final: `(N, ...)`, what was seen after the step, before a new start.
    """

    reward: Array
    terminated: Array
    truncated: Array
    final: Array


class Lanes(Protocol):
    """Worlds side by side, which start again by themselves."""

    n: int

    def view(self) -> View:
        """What is shown now."""

    def step(self, actions: Array) -> Outcome:
        """Take one action in each."""


@dataclass
class Agent:
    """A policy that learns: weights, optimiser, and its memory of each lane.

    Args:
        net: the description of its network.
        weights: by name.
        optimiser: Adam over the weights.
        memory: `(N, M)`, before the next step of each lane; of no columns without a memory.
        updates: gradient steps taken.
        tail: the last steps of the chunk before, to warm the memory; `None` at first and without a memory.
    """

    net: Net
    weights: Weights
    optimiser: Any
    memory: Tensor
    updates: int = 0
    tail: Tail | None = None

    @classmethod
    def new(cls, net: Net, lanes: int, settings: PPO, rng: Rng, device: str = "cpu") -> Agent:
        """Fresh weights, drawn by `rng`, on a device."""
        import torch

        drawn = initial(net, torch_generator(rng))
        weights = {name: value.detach().to(device).requires_grad_() for name, value in drawn.items()}
        return cls(net, weights, _adam(weights, settings), torch.zeros(lanes, net.memory, device=device))

    @property
    def device(self) -> Any:
        """Where its weights are."""
        return self.memory.device

    def save(self, folder: Path) -> None:
        """Write `agent.safetensors` and `agent.json`: all that `load` needs to go on to the bit."""
        from safetensors.torch import save_file

        tensors = {f"weight/{name}": value.detach() for name, value in self.weights.items()} | {"memory": self.memory}
        for name, value in self.weights.items():
            for part, kept in self.optimiser.state.get(value, {}).items():
                tensors[f"adam/{part}/{name}"] = kept
        if self.tail is not None:
            tensors |= {f"tail/{name}": value for name, value in self.tail._asdict().items()}
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "agent.safetensors")
        (folder / "agent.json").write_text(canonical({"format": FORMAT, "updates": self.updates}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, net: Net, settings: PPO, device: str = "cpu") -> Agent:
        """Read what `save` wrote.

        Raises:
            SolverError: it is not there, or is of another network.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            plain = json.loads((folder / "agent.json").read_text(encoding="utf-8"))
            # Copies, aligned as torch aligns: a product may round otherwise where memory starts at an odd address.
            tensors = {name: value.clone() for name, value in load_file(folder / "agent.safetensors").items()}
        except (OSError, ValueError, SafetensorError) as error:
            raise SolverError(f"{folder.name} holds a saved agent", str(error)[:200], "Save it again") from None
        shapes = {name: tuple(tensors[f"weight/{name}"].shape) for name in net.shapes() if f"weight/{name}" in tensors}
        if plain.get("format") != FORMAT or shapes != net.shapes():
            raise SolverError("a saved agent of this network", f"got shapes {str(shapes)[:200]}", "Give its own net")
        steps = {
            name: value for name, value in tensors.items() if name.startswith("adam/step/")
        }  # Adam wants them here
        tensors = {name: value.to(device) for name, value in tensors.items()} | steps
        weights = {name: tensors[f"weight/{name}"].requires_grad_() for name in net.shapes()}
        optimiser = _adam(weights, settings)
        for name, value in weights.items():
            parts = {part: tensors[key] for part in ADAM if (key := f"adam/{part}/{name}") in tensors}
            if parts:
                optimiser.state[value] = parts
        kept = {name[5:]: value for name, value in tensors.items() if name.startswith("tail/")}
        return cls(net, weights, optimiser, tensors["memory"], int(plain["updates"]), Tail(**kept) if kept else None)


ADAM = ("step", "exp_avg", "exp_avg_sq")


class Tail(NamedTuple):
    """The last steps before a chunk, `(B, N, ...)`, and the memory `(N, M)` before them."""

    observations: Tensor
    first: Tensor
    memory: Tensor


@dataclass
class Chunk:
    """T steps of N lanes, as arrays `(T, N, ...)`.

    Args:
        observations: what was seen.
        first: where episodes begin.
        learn: steps that count.
        scale: of the logits.
        actions: taken.
        log_probs: of the actions, when they were taken.
        values: V of what was seen.
        advantages: by `gae`.
        targets: of the values.
        memory: `(N, M)`, before the first step.
        tail: the steps before.
        frames: steps that count, in all.
    """

    observations: Tensor
    first: Tensor
    learn: Tensor
    scale: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    targets: Tensor
    memory: Tensor
    tail: Tail | None
    frames: int = field(default=0)


def collect(agent: Agent, lanes: Lanes, settings: PPO, rng: Rng) -> Chunk:
    """Let the agent act for `settings.steps` steps in each lane; its memory moves on with them."""
    import torch

    views, rows = [], []
    draw = rng.random((settings.steps, lanes.n), np.float32)
    before, memory = agent.memory, agent.memory
    last = np.zeros((settings.steps, lanes.n), np.float32)
    with torch.no_grad():
        for t in range(settings.steps):
            view = lanes.view()
            heads = _say(agent, view.observation, view.first, memory)
            memory = heads.memory
            logits = heads.logits[0].cpu().numpy() * view.scale[:, None]
            actions = np.where(view.forced >= 0, view.forced, _sampled(logits, draw[t]))
            outcome = lanes.step(actions)
            stopped = outcome.truncated & ~outcome.terminated
            if stopped.any():
                last[t, stopped] = _values_of(
                    agent, outcome.final[stopped], memory[torch.tensor(stopped, device=agent.device)]
                )
            views.append(view)
            rows.append((actions, _log_probs(logits, actions), heads.values[0].cpu().numpy(), outcome))
        now = lanes.view()
        ahead = _say(agent, now.observation, now.first, memory).values[0].cpu().numpy()
    agent.memory = memory
    values = np.stack([row[2] for row in rows])
    rewards, terminated, truncated = (np.stack([row[3][k] for row in rows]) for k in range(3))
    learn = np.stack([view.learn for view in views])
    next_values = np.where(truncated & ~terminated, last, np.concatenate((values[1:], ahead[None])))
    advantages, targets = gae(
        rewards, values, next_values, terminated, truncated, gamma=settings.gamma, lam=settings.lam, mask=learn
    )
    put = functools.partial(torch.tensor, device=agent.device)
    chunk = Chunk(
        observations=put(np.stack([view.observation for view in views])),
        first=put(np.stack([view.first for view in views])),
        learn=put(learn),
        scale=put(np.stack([view.scale for view in views])),
        actions=put(np.stack([row[0] for row in rows])),
        log_probs=put(np.stack([row[1] for row in rows])),
        values=put(values),
        advantages=put(standardised(advantages, learn)),
        targets=put(targets),
        memory=before,
        tail=agent.tail,
        frames=int(learn.sum()),
    )
    if agent.net.memory and settings.burn_in:
        agent.tail = _tail_of(agent, chunk, settings.burn_in)
    return chunk


def improve(
    agent: Agent, chunk: Chunk, settings: PPO, rng: Rng, extra: Callable[[Agent], Tensor] | None = None
) -> dict[str, float]:
    """Take the gradient steps of a chunk: `epochs` times through its lanes, in `minibatches` parts.

    Args:
        agent: changed in place.
        chunk: what `collect` returned.
        settings: the same.
        rng: shuffles the lanes.
        extra: a further loss, added in every gradient step.

    Returns:
        Means of the losses, of the entropy, and the share of steps whose ratio was clipped.
    """
    import torch

    lanes, sums = chunk.actions.shape[1], np.zeros(4)
    parts = min(settings.minibatches, lanes)
    for _ in range(settings.epochs):
        for some in np.array_split(rng.permutation(lanes), parts):
            loss, figures = _loss(agent, chunk, torch.tensor(np.sort(some), device=agent.device), settings)
            if extra is not None:
                loss = loss + extra(agent)
            agent.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(agent.weights.values()), settings.max_grad_norm)
            agent.optimiser.step()
            agent.updates += 1
            sums += figures
    means = (sums / (settings.epochs * parts)).tolist()
    return dict(zip(("policy", "value", "entropy", "clipped"), means, strict=True))


def torch_generator(rng: Rng) -> Any:
    """A torch generator whose seed is drawn by `rng`."""
    import torch

    return torch.Generator().manual_seed(int(rng.integers(2**63)))


def _loss(agent: Agent, chunk: Chunk, some: Tensor, settings: PPO) -> tuple[Tensor, Array]:
    mask, scale = chunk.learn[:, some], chunk.scale[:, some]
    logits, values = _read(agent, chunk, some)
    logits = logits * scale.unsqueeze(-1)
    logs = losses.log_probabilities(logits, chunk.actions[:, some])
    old = chunk.log_probs[:, some]
    policy = losses.ppo_policy_loss(logs, old, chunk.advantages[:, some], clip=settings.clip, mask=mask)
    value = losses.value_loss(
        values, chunk.targets[:, some], old_values=chunk.values[:, some], clip=settings.value_clip, mask=mask
    )
    spread = losses.masked_mean(losses.entropy(logits), mask)
    squares = sum((weight**2).sum() for weight in agent.weights.values())
    loss = policy + settings.value * value - settings.entropy * spread + settings.l2 * squares
    clipped = losses.masked_mean((((logs - old).exp() - 1).abs() > settings.clip).float(), mask)
    return loss, np.array([part.item() for part in (policy, value, spread, clipped)])


def _read(agent: Agent, chunk: Chunk, some: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and values of some lanes of a chunk, the memory warmed by the steps before it."""
    import torch

    observations, first, memory, skip = chunk.observations[:, some], chunk.first[:, some], chunk.memory[some], 0
    if chunk.tail is not None:
        observations = torch.cat((chunk.tail.observations[:, some], observations))
        first = torch.cat((chunk.tail.first[:, some], first))
        memory, skip = chunk.tail.memory[some], len(chunk.tail.first)
    heads = agent.net.apply(agent.weights, observations, first, memory)
    return heads.logits[skip:], heads.values[skip:]


def _tail_of(agent: Agent, chunk: Chunk, burn_in: int) -> Tail:
    """The last `burn_in` steps of a chunk, and the memory before them as the weights of then had it."""
    import torch

    skip = max(len(chunk.first) - burn_in, 0)
    memory = chunk.memory
    if skip:
        with torch.no_grad():
            memory = agent.net.apply(agent.weights, chunk.observations[:skip], chunk.first[:skip], memory).memory
    return Tail(chunk.observations[skip:], chunk.first[skip:], memory)


def _values_of(agent: Agent, observations: Array, memory: Tensor) -> Array:
    found = _say(agent, observations, np.zeros(len(observations), bool), memory)
    return found.values[0].cpu().numpy()  # type: ignore[no-any-return]


def _say(agent: Agent, observations: Array, first: Array, memory: Tensor) -> Heads:
    """What the net says in one step, which is a sequence of length 1."""
    import torch

    seen = torch.tensor(observations, device=agent.device).unsqueeze(0)
    return agent.net.apply(agent.weights, seen, torch.tensor(first, device=agent.device).unsqueeze(0), memory)


def _sampled(logits: Array, draw: Array) -> Array:
    """An action of each row `(N, A)`, by the inverse of the cumulated probabilities at `draw` `(N,)`."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    heap = np.cumsum(weights, 1)
    found: Array = (heap < draw[:, None] * heap[:, -1:]).sum(1)
    capped: Array = np.minimum(found, logits.shape[1] - 1)
    return capped


def _log_probs(logits: Array, actions: Array) -> Array:
    shifted = logits - logits.max(1, keepdims=True)
    found: Array = shifted[np.arange(len(actions)), actions] - np.log(np.exp(shifted).sum(1))
    return found.astype(np.float32)


def _adam(weights: Mapping[str, Tensor], settings: PPO) -> Any:
    import torch

    return torch.optim.Adam(list(weights.values()), lr=settings.learning_rate, eps=settings.adam_eps)
