"""A language model as what makes attempts: it writes a program, the program makes a construction, an adapter learns."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError, ProviderError, SolverError
from guerdon.core.plain import Json, digest
from guerdon.core.score import Fault
from guerdon.lm import shared
from guerdon.lm.prompts import plain
from guerdon.lm.protocol import Model
from guerdon.sandbox import Limits as SandboxLimits
from guerdon.systems.ttt_discover.language import forms
from guerdon.systems.ttt_discover.language.programs import Ran, run_programs
from guerdon.systems.ttt_discover.language.prompts import Block, Limits, block_in, prompt_for
from guerdon.systems.ttt_discover.language.sampling import (
    Chat,
    Reply,
    Room,
    Sampler,
    TextSampler,
    TokenSampler,
    unpacked,
)
from guerdon.systems.ttt_discover.proposer import Draft, Recipe, Sample, Start
from guerdon.train.policy import Adam, Lora, Policy, Snapshot, Tokens

if TYPE_CHECKING:
    import torch

    from guerdon.core.rng import Rng
    from guerdon.core.task import Task
    from guerdon.lm.torch_model import Torch

RESULT_KB = 16 * 1024
"""Kilobytes of one returned construction: 100,000 numbers and more."""


@dataclass(frozen=True, kw_only=True)
class LanguageProposer:
    """Programs by a language model, on the protocol of proposers.

    Args:
        model: what `guerdon.lm.open_model` opens.
        options: arguments of the class behind it.
        room: tokens of a reply.
        temperature: of sampling.
        logprobs: ask a model behind a protocol for log-probabilities.
        lora: the adapter; `None` to leave the model as it is.
        most_tokens: of one micro-batch in training.
        checkpointing: recompute activations in training.
        limits: of a program.
        target: value that the prompt names as what to beat, if any.
    """

    model: str
    options: Mapping[str, Json]
    room: Room
    temperature: float
    logprobs: bool
    lora: Lora | None
    most_tokens: int
    checkpointing: bool
    limits: Limits
    target: float | None

    # ── the model ───────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def opened(self) -> Model:
        """The model, one copy per process."""
        return shared.opened(self.model, **self.options).model

    @cached_property
    def policy(self) -> Policy | None:
        """The model as something that learns; `None` when it is to stay as it is.

        Raises:
            ConfigError: it is to learn, but is not in this process.
        """
        if self.lora is None:
            return None
        torch_model = self._torch()
        if torch_model is None:
            do = 'Use model="torch:NAME", or objective="none"'
            raise ConfigError("a model in this process to train", f"got {self.model!r}", do)
        if self.temperature != 1.0:
            do = "Leave it at 1, or set objective='none'"
            raise ConfigError("training samples at temperature 1", f"got {self.temperature}", do)
        return Policy(torch_model.model, lora=self.lora, most_tokens=self.most_tokens, checkpointing=self.checkpointing)

    def _torch(self) -> Torch | None:
        """The model, if its tokens are at hand."""
        return self.opened if hasattr(self.opened, "extend") else None  # type: ignore[return-value]

    def _room(self) -> Room:
        return self.room.within(self.opened.context)

    @contextlib.contextmanager
    def _in_force(self, snapshot: Snapshot | None) -> Iterator[Sampler]:
        """A sampler from the policy as it is in a snapshot."""
        torch_model, policy = self._torch(), self.policy
        if torch_model is None:
            yield TextSampler(self.opened, self._room(), self.temperature, self.logprobs)
            return
        sampler = TokenSampler(torch_model, self._room(), self.temperature, torch_model.encode)
        if policy is None:
            yield sampler
            return
        if snapshot is None:
            raise SolverError("a policy to sample from", "got none", "Start the run anew")
        policy.load(snapshot)
        with policy.active():
            yield sampler

    # ── the protocol of proposers ───────────────────────────────────────────────────────────────────────────────

    def start(self, task: Task, rng: Rng) -> Snapshot | None:
        """A fresh adapter; `None` for a model that stays as it is."""
        seed = int(rng.integers(1 << 31))
        return None if self.policy is None else self.policy.start(seed)

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """Start states by the problem's own rule."""
        return forms.seeds(task, count, rng)

    def prompt(self, task: Task, start: Start) -> Chat:
        """What is asked of an attempt from a start state."""
        return prompt_for(task, forms.form_of(task), start, self.limits, self.target)

    def propose(
        self, task: Task, policy: Snapshot | None, starts: Sequence[Start], rollouts: int, progress: float, rng: Rng
    ) -> list[list[Draft]]:
        """Attempts from each start; those that the model's provider or the sandbox failed to give are left out.

        Raises:
            ProviderError: there is none at all.
        """
        prompts = [self.prompt(task, start) for start in starts]
        seeds = [int(seed) for seed in rng.integers(1 << 31, size=len(starts))]
        with self._in_force(policy) as sampler:
            replies = sampler.sample(prompts, rollouts, seeds)
        marks = [digest(plain(prompt)) for prompt in prompts]
        flat = [(start, mark, reply) for start, mark, row in zip(starts, marks, replies, strict=True) for reply in row]
        drafts = self._drafts(task, flat)
        made: list[list[Draft]] = [[] for _ in starts]
        lost: Counter[str] = Counter()
        for at, draft in enumerate(drafts):
            if isinstance(draft, Fault):
                lost[str(draft)] += 1
            else:
                made[at // rollouts].append(draft)
        if not any(made):
            said = lost.most_common(1)[0][0] if lost else "nothing"
            raise ProviderError(f"{self.model} gives texts and the sandbox runs them", said, "Run it again")
        return made

    def _drafts(self, task: Task, replies: Sequence[tuple[Start, str, Reply]]) -> list[Draft | Fault]:
        """A draft of each reply, or the fault of a host."""
        form = forms.form_of(task)
        blocks = [None if reply.fault else block_in(reply.text) for _, _, reply in replies]
        found = {at: block.code for at, block in enumerate(blocks) if block is not None and form.runs}
        programs = [(code, forms.construction_of(replies[at][0].content)) for at, code in found.items()]
        ran = dict(zip(found, self._run(programs, form), strict=True))
        drafts: list[Draft | Fault] = []
        for at, ((_, mark, reply), block) in enumerate(zip(replies, blocks, strict=True)):
            fault = reply.fault or (ran[at].fault if at in ran else None)
            if fault is not None and fault.whose != "solver":
                drafts.append(fault)
            else:
                drafts.append(self._draft(form, mark, reply, block, ran.get(at)))
        return drafts

    def _run(self, programs: Sequence[tuple[str, Any]], form: forms.Form) -> list[Ran]:
        limits = SandboxLimits(wall_s=self.limits.kill_s, memory_mb=self.limits.memory_mb, result_kb=RESULT_KB)
        return run_programs(programs, form, limits, budget_s=self.limits.seconds, imports=self.limits.imports)

    def _draft(self, form: forms.Form, mark: str, reply: Reply, block: Block | None, ran: Ran | None) -> Draft:
        note: dict[str, Json] = {"forced": reply.forced, "cut": reply.cut}
        if self.target is not None:
            note["target"] = self.target
        if reply.tokens is not None and reply.prompt_tokens is not None:
            note["tokens"] = reply.tokens + reply.prompt_tokens
        if reply.logprob is not None:
            note["logprob"] = round(reply.logprob, 4)
        fault = reply.fault or (ran.fault if ran else None)
        if ran is not None:
            note |= {"output": ran.output, "seconds": round(ran.seconds, 3)}
        if fault is not None:
            note["fault"] = str(fault)
        content: Json = {"failed": str(fault or "no fenced block with a program")}
        if fault is not None and block is not None:
            content = {"failed": str(fault), "code": block.code}
        elif block is not None:
            content = form.content(block.code, ran.returned) if ran else form.handed_in(block.code, block.language)
        return Draft(content, {**reply.action, "prompt": mark}, note)

    def learn(
        self, task: Task, policy: Snapshot | None, samples: Sequence[Sample], recipe: Recipe
    ) -> tuple[Snapshot | None, Mapping[str, float]]:
        """One step on all samples: the entropic objective's advantages, shaped towards the frozen model.

        Raises:
            SolverError: a sample is not of this prompt, or holds no tokens.
        """
        if self.policy is None or policy is None:
            return policy, {}
        samples = [sample for sample in samples if "ids" in sample.action]  # a prompt over the cap has no reply
        if not samples:
            return policy, {}
        rows, sampled = self._rows(task, samples)
        batch = _Batch(rows, sampled, [sample.advantage for sample in samples])
        figures = batch.figures()
        if recipe.kl > 0:
            figures["kl"] = batch.shape(self.policy.logprobs(rows, base=True), recipe.kl)
        adam = Adam(lr=recipe.lr, beta1=recipe.betas[0], beta2=recipe.betas[1], eps=recipe.eps)
        following, step = self.policy.step(policy, rows, batch.loss, adam)
        return following, {**figures, **step, "drift": batch.drift()}

    def _rows(self, task: Task, samples: Sequence[Sample]) -> tuple[list[Tokens], list[list[float]]]:
        torch_model = self._torch()
        assert torch_model is not None
        prompts: dict[str, list[int]] = {}
        rows, sampled = [], []
        for sample in samples:
            prompt = self.prompt(task, sample.start)
            mark = digest(plain(prompt))
            if sample.action.get("prompt") != mark:
                do = "Go on with the settings that it was begun with"
                raise SolverError("an attempt at the prompt that it was made for", "the prompt has changed", do)
            if mark not in prompts:
                prompts[mark] = torch_model.encode(prompt)
            ids, logprobs, chosen = unpacked(sample.action)
            rows.append(Tokens(prompts[mark], ids, chosen))
            sampled.append(logprobs)
        return rows, sampled

    def save(self, policy: Snapshot | None, folder: Path) -> None:
        """The adapter and its optimiser as safetensors; nothing for a model that stays as it is."""
        if policy is not None:
            policy.save(folder)

    def load(self, folder: Path) -> Snapshot | None:
        """What `save` wrote."""
        return Snapshot.load(folder) if (folder / "policy.safetensors").is_file() else None


class _Batch:
    """A step's tokens as arrays (N, T), and its loss by rows."""

    def __init__(self, rows: Sequence[Tokens], sampled: Sequence[Sequence[float]], advantages: Sequence[float]) -> None:
        import torch

        width = max(len(row.action) for row in rows)
        self.sampled, self.mask = torch.zeros(len(rows), width), torch.zeros(len(rows), width)
        for at, (row, chances) in enumerate(zip(rows, sampled, strict=True)):
            self.sampled[at, : len(chances)] = torch.tensor(chances)
            self.mask[at, : len(chances)] = torch.tensor(row.mask(), dtype=torch.float32)
        self._whole = torch.tensor(advantages, dtype=torch.float32)
        self.advantages = self._whole[:, None] * self.mask
        self._off = 0.0

    def figures(self) -> dict[str, float]:
        """Entropy (mean surprise of a token, in nats) and tokens per attempt."""
        count = float(self.mask.sum().clamp(min=1))
        entropy = -float((self.sampled * self.mask).sum()) / count
        return {"entropy": entropy, "length": count / len(self.mask)}

    def shape(self, base: Sequence[Any], weight: float) -> float:
        """Draw the advantages towards a base policy; returns the estimated divergence from it."""
        import torch

        from guerdon.train.entropic import kl_shaped

        values = torch.zeros_like(self.sampled)
        for at, line in enumerate(base):
            values[at, : len(line)] = torch.from_numpy(line)
        self.advantages, mean = kl_shaped(self._whole, self.sampled, values, self.mask, weight)
        return float(mean)

    def loss(self, logprobs: torch.Tensor, mask: torch.Tensor, which: list[int]) -> torch.Tensor:
        """Importance sampling against the sampler's own log-probabilities, for some rows."""
        from guerdon.train.entropic import importance_loss

        width, device = logprobs.shape[1], logprobs.device
        sampled = self.sampled[which, :width].to(device)
        self._off += float(((logprobs.detach() - sampled).abs() * mask).sum())
        return importance_loss(logprobs, sampled, self.advantages[which, :width].to(device), mask)

    def drift(self) -> float:
        """Mean difference between the sampler's log-probabilities and the trainer's before the step: about 0."""
        return self._off / float(self.mask.sum().clamp(min=1))
