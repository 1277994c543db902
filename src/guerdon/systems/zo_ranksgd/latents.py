"""The initial latent of a diffusion model as the point: people, or a score of pictures, rank what it decodes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from guerdon.core.challenge import Picture
from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import digest
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.prefer.rankings import Ties
from guerdon.systems.zo_ranksgd.challenge import Ranked, Tell
from guerdon.systems.zo_ranksgd.objective import points_of, source_of
from guerdon.systems.zo_ranksgd.people import judge_of, pictured


@lru_cache(maxsize=1)
def load_pipeline(model: str, device: str) -> Any:
    """A latent diffusion pipeline of the package diffusers.

    Raises:
        ConfigError: diffusers is not installed, or the model cannot be loaded.
    """
    try:
        diffusers = import_module("diffusers")
    except ImportError:
        raise ConfigError(
            "latents of a diffusion model need diffusers", "it is not installed", "pip install diffusers"
        ) from None
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{model} is a diffusers model", str(error)[:200], "Check the name or path") from None
    if hasattr(pipeline, "set_progress_bar_config"):
        pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def latent_shape(pipeline: Any, height: int, width: int) -> tuple[int, int, int]:
    """Channels, rows and columns of the latent of one picture."""
    scale = int(getattr(pipeline, "vae_scale_factor", 8))
    net = getattr(pipeline, "unet", None) or pipeline.transformer
    return int(net.config.in_channels), height // scale, width // scale


@dataclass(frozen=True)
class Diffusion:
    """Decodes a latent: the sampler runs from it, with everything else fixed.

    Args:
        model: name or path of a diffusers model.
        prompt: what is to be in the picture.
        steps: of the sampler.
        guidance: scale of classifier-free guidance.
        height: in pixels.
        width: in pixels.
        device: where it runs.
    """

    model: str
    prompt: str
    steps: int
    guidance: float
    height: int
    width: int
    device: str

    def shape(self) -> tuple[int, int, int]:
        """Of the latent."""
        return latent_shape(load_pipeline(self.model, self.device), self.height, self.width)

    def __call__(self, case: Case) -> Any:
        """The picture.

        Raises:
            RewardError: the answer is no latent.
        """
        import torch

        shape = self.shape()
        rows, points, wrong = points_of([case.answer.content], int(np.prod(shape)))
        if not rows:
            raise RewardError(wrong[0])
        pipeline = load_pipeline(self.model, self.device)
        kind = getattr(pipeline, "dtype", torch.float32)
        latents = torch.tensor(points[0].reshape(1, *shape), dtype=kind, device=self.device)
        with torch.no_grad():
            made = pipeline(
                self.prompt, latents=latents, num_inference_steps=self.steps, guidance_scale=self.guidance,
                height=self.height, width=self.width,
            )  # fmt: skip
        return made.images[0]


@dataclass(frozen=True, kw_only=True)
class RankedLatents(Ranked):
    """Tune the initial latent of a diffusion model by rankings of its pictures (arXiv 2303.03751, section 4).

    Use it with `--solver human-loop --mu 0.1 --sphere`: latents far off the sphere of radius √d decode to noise.
    """

    model: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    """Name or path of a diffusers model that takes `latents` (source: Stable Diffusion)."""
    prompt: str = "a photograph of a lighthouse in a storm"
    """What is to be in the picture."""
    sampler_steps: int = 25
    """Steps of the sampler (source: not given; the DPM solvers need 20 to 25)."""
    guidance: float = 7.5
    """Scale of classifier-free guidance (diffusers' default)."""
    height: int = 512
    """Pixels."""
    width: int = 512
    """Pixels."""
    device: str = "cpu"
    """`cpu`, `cuda` or `mps`."""
    by: str = "people"
    """`people`, or FILE.py:NAME of a score of a picture, higher is better (CLIP, an aesthetic model)."""
    m: int = 6
    """Pictures on a screen."""
    k: int = 3
    """How many of them are ranked, best first."""
    queue: str = field(default="rankings.jsonl", metadata={"recipe": False})
    """File of the questions and answers; pictures are put beside it."""
    annotator: str = "me"
    """Who answers."""
    start_seed: int = 0
    """Draws the initial latent from N(0, I)."""
    ties: Ties = "shuffle"
    """Equal scores of `by`: "shuffle" or "missing"."""

    name: ClassVar[str] = "ranked-latents"
    noise: ClassVar[float] = 0.0  # type: ignore[misc]
    tell: ClassVar[Tell] = "order"  # type: ignore[misc]

    def __post_init__(self) -> None:
        self.check_oracle()

    def fingerprint(self) -> str:
        """A digest of the user's file, if there is one."""
        return digest(source_of(self.by))

    @property
    def show(self) -> Diffusion:
        """The decoder."""
        return Diffusion(
            self.model, self.prompt, self.sampler_steps, self.guidance, self.height, self.width, self.device
        )

    @property
    def judge(self) -> Reward:
        """The person, or the stand-in."""
        asked = {"queue": self.queue, "annotator": self.annotator, "prompt": f"Which is best? ({self.prompt})"}
        more = asked if self.by == "people" else {}
        return judge_of(self.show, self.by, self.ties, best=self.k, seed=self.start_seed, **more)

    def tasks(self, split: str) -> Iterable[Task]:
        """One task: the initial latent, which is shown, so that a solver can keep to its sphere."""
        count = int(np.prod(self.show.shape()))
        start = stream(self.start_seed, "start").standard_normal(count)
        return self.posed(start.tolist(), shape=list(self.show.shape()))

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """None."""
        return [None] * len(tasks)

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The picture."""
        return pictured(self.show, task, answer)
