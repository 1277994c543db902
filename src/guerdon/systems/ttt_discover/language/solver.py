"""TTT-Discover with a language model: the same loop, its attempts programs, its policy a model with an adapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.task import Task
from guerdon.lm import shared
from guerdon.systems.ttt_discover.language.forms import form_of, published_target
from guerdon.systems.ttt_discover.language.prompts import FORCED, Limits
from guerdon.systems.ttt_discover.language.proposer import LanguageProposer
from guerdon.systems.ttt_discover.language.sampling import Room
from guerdon.systems.ttt_discover.solver import TttDiscover
from guerdon.train.policy import Lora


@dataclass(frozen=True, kw_only=True)
class TttDiscoverLm(TttDiscover):
    """TTT-Discover as published: a language model writes programs, and its adapter learns from them.

    Published values stand in brackets (arXiv 2601.16175, section 4 and appendix); the defaults of `groups` and
    `rollouts` are for a small model on a processor. With `objective="none"` nothing is trained, and any model will
    do, also one behind a server; with `reuse="none"` besides, this is best-of-N.

    Args:
        steps: steps of the run (50).
        groups: start states of a step (8).
        rollouts: attempts from each (64).
        lr: learning rate of Adam (4e-5; 2e-5 for ahc058).
        kl: weight of the shaping towards the frozen model (0.1; 0.01 for the AtCoder problems).
        hidden: not used here.
        model: what `guerdon.lm.open_model` opens (gpt-oss-120b; Qwen3-8B in its ablation). Training needs
            "torch:NAME".
        device: of a model in this process, such as "cuda"; by default a GPU if there is one.
        dtype: of a model in this process; the adapter is always in float32.
        batch: replies sampled at once in this process.
        rank: of the adapter (32).
        alpha: its scale (32, from an independent replication).
        adapted: layers that get an adapter, as peft names them.
        temperature: of sampling (1).
        reasoning: effort that the model's chat template, or its server, is told ("high" for gpt-oss); empty for none.
        context_tokens: tokens of prompt and reply (32,768). A model with a shorter context gets the same shares of it.
        thinking_tokens: tokens of prompt and thinking, after which the answer is forced (26,000; 20,000 for
            denoising, 22,000 for ahc039, 25,000 for ahc058); 0 is the published share of context_tokens.
        thinking_end: mark that ends thinking, such as "</think>" (Qwen3) or
            "<|end|><|start|>assistant<|channel|>final<|message|>" (gpt-oss); empty for a model without one.
        forced: line that is written into the model's turn when its answer is forced.
        logprobs: ask a model behind a protocol for log-probabilities, which are recorded.
        concurrency: requests to a server under way at once.
        wait_s: seconds for one reply of a server.
        target: value that prompts name as what to beat: "published" (the best of the paper's table), "none", or a
            number. It is a hint to the model and is recorded with each attempt.
        budget_s: seconds that a program is told to use (1,000).
        kill_s: seconds after which a program is ended (1,100).
        memory_mb: memory of a program (1,024).
        imports: packages that a program may import besides the standard library.
        micro_tokens: tokens of one micro-batch in training, padding included; has no influence but on memory.
        checkpointing: recompute activations in training, for long replies.
    """

    name: ClassVar[str] = "ttt-discover-lm"

    steps: int = 50
    groups: int = 2
    rollouts: int = 4
    lr: float = 4e-5
    kl: float = 0.1
    model: str = "torch:smollm2"
    device: str = field(default="", metadata={"recipe": False})
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch: int = field(default=16, metadata={"recipe": False})
    rank: int = 32
    alpha: float = 32.0
    adapted: tuple[str, ...] = ("all-linear",)
    temperature: float = 1.0
    reasoning: str = ""
    context_tokens: int = 32_768
    thinking_tokens: int = 0
    thinking_end: str = ""
    forced: str = FORCED
    logprobs: bool = True
    concurrency: int = field(default=8, metadata={"recipe": False})
    wait_s: float = field(default=3600.0, metadata={"recipe": False})
    target: str = "published"
    budget_s: float = 30.0
    kill_s: float = 40.0
    memory_mb: int = 1024
    imports: tuple[str, ...] = ("numpy", "scipy")
    micro_tokens: int = field(default=16_384, metadata={"recipe": False})
    checkpointing: bool = field(default=False, metadata={"recipe": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.thinking_tokens < self.context_tokens:
            got = f"got {self.thinking_tokens} of {self.context_tokens}"
            raise ConfigError("thinking_tokens leaves room for an answer in context_tokens", got, "Lower it")
        if not 0 < self.budget_s <= self.kill_s:
            got = f"got {self.budget_s:g} and {self.kill_s:g}"
            raise ConfigError("a program is ended after the seconds that it is told", got, "Raise kill_s")
        if self.target not in ("published", "none"):
            self._number(self.target)

    @staticmethod
    def _number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise ConfigError("target is published, none or a number", f"got {text!r}", "Write a number") from None

    def fingerprint(self) -> str:
        """The model's digest before training: another model is another run."""
        return shared.opened(self.model, **self._options()).digest

    def _options(self) -> dict[str, Json]:
        told: dict[str, Json] = {"reasoning_effort": self.reasoning} if self.reasoning else {}
        if self.model.startswith("torch:"):
            how: dict[str, Json] = {"dtype": self.dtype, "batch": self.batch, "chat_options": told}
            return how | ({"device": self.device} if self.device else {})
        if self.model.startswith(("http:", "https:")):
            waits: dict[str, Json] = {"read_timeout": self.wait_s, "total_timeout": self.wait_s}
            return {"concurrency": self.concurrency, "extra": told, **waits}
        return {}

    def proposer(self, task: Task) -> LanguageProposer:
        """The model, with an adapter unless nothing is to be learned."""
        lora = Lora(rank=self.rank, alpha=self.alpha, targets=self.adapted)
        room = Room(
            context=self.context_tokens,
            thinking=self.thinking_tokens or max(1, 26_000 * self.context_tokens // 32_768),
            end=self.thinking_end,
            forced=self.forced,
            language=form_of(task).language,
        )
        return LanguageProposer(
            model=self.model,
            options=self._options(),
            room=room,
            temperature=self.temperature,
            logprobs=self.logprobs,
            lora=None if self.objective == "none" else lora,
            most_tokens=self.micro_tokens,
            checkpointing=self.checkpointing,
            limits=Limits(
                seconds=self.budget_s, kill_s=self.kill_s, memory_mb=self.memory_mb, imports=tuple(self.imports)
            ),
            target=self._target(task),
        )

    def _target(self, task: Task) -> float | None:
        if self.target == "none":
            return None
        return published_target(task) if self.target == "published" else self._number(self.target)
