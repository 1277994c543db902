"""Low-rank adapters in one model, of which one or none is in force."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guerdon.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A low-rank adapter: `W + (alpha / rank) B A`, with B zero at the start (arXiv 2106.09685).

    Args:
        rank: columns of B.
        alpha: its scale.
        targets: names of the layers that get one, as peft reads them; "all-linear" takes all but the output layer.
    """

    rank: int = 32
    alpha: float = 32.0
    targets: tuple[str, ...] = ("all-linear",)

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.targets:
            got = f"got {self.rank} and {self.targets!r}"
            raise ConfigError("an adapter has a rank of at least 1 and targets", got, "Change them")


class Adapters:
    """The adapters in one model, of which one or none is in force."""

    def __init__(self, model: Any, config: Any, name: str) -> None:
        import peft

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft reads an attribute by its older name
            self._around = peft.PeftModel(model, config, adapter_name=name)
        self._now: str | None = None
        self._set(None)

    def add(self, config: Any, name: str) -> None:
        """One more, unless it is there."""
        if name not in self._around.peft_config:
            self._around.add_adapter(name, config)
            self._set(self._now)

    def draw(self, name: str, seed: int) -> None:
        """Draw its tensors anew, as before any training."""
        import torch
        from peft.tuners.lora import LoraLayer

        with own_draws(), torch.no_grad():
            torch.manual_seed(seed)
            for part in self._around.modules():
                if isinstance(part, LoraLayer) and name in part.r:
                    part.reset_lora_parameters(name, True)

    @contextlib.contextmanager
    def use(self, name: str | None) -> Iterator[None]:
        """With that one in force."""
        before = self._now
        self._set(name)
        try:
            yield
        finally:
            self._set(before)

    def _set(self, name: str | None) -> None:
        self._now = name
        if name is None:
            self._around.base_model.disable_adapter_layers()
        else:
            self._around.base_model.enable_adapter_layers()
            self._around.base_model.set_adapter(name)


def own_draws() -> Any:
    """Random numbers drawn inside leave torch's global generators as they were."""
    import torch

    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def adapted(model: Any, lora: Lora, name: str) -> Adapters:
    """The adapters of a model, this one among them."""
    try:
        import peft
    except ImportError:
        got = "peft is not installed"
        raise ConfigError("adapters are made by peft", got, 'Run pip install "guerdon[train]"') from None
    targets: Any = lora.targets[0] if len(lora.targets) == 1 else list(lora.targets)
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM"
    )
    try:
        with own_draws():
            if not hasattr(model, "_guerdon_adapters"):
                model._guerdon_adapters = Adapters(model, config, name)
            model._guerdon_adapters.add(config, name)
    except ValueError as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError("an adapter fits some layers", said, "Name layers of this model in targets") from None
    made: Adapters = model._guerdon_adapters
    return made
