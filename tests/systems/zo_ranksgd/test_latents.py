"""Latents of a diffusion pipeline, with a stand-in of the same shape."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.core.solver import Problem
from guerdon.core.task import Answer, Case
from guerdon.systems.zo_ranksgd import latents
from guerdon.systems.zo_ranksgd.latents import RankedLatents, latent_shape
from guerdon.systems.zo_ranksgd.solver import HumanLoop
from guerdon.systems.zo_ranksgd.trial import walk

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")


class Pipeline:
    """Called as diffusers' pipelines are: it upsamples the first three channels of the latent."""

    vae_scale_factor = 8
    unet = SimpleNamespace(config=SimpleNamespace(in_channels=4))

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, prompt: str, **named: Any) -> Any:
        self.calls.append({"prompt": prompt, **named})
        latent = named["latents"].numpy()[0]
        picture = np.clip(128 + 40 * latent[:3], 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return SimpleNamespace(images=[Image.fromarray(picture.repeat(8, 0).repeat(8, 1))])


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    made = Pipeline()
    monkeypatch.setattr(latents, "load_pipeline", lambda model, device: made)
    return made


def small(**fields: Any) -> RankedLatents:
    return RankedLatents(height=32, width=16, prompt="a boat", sampler_steps=3, guidance=2.0, **fields)


def test_the_pipeline_is_called_with_the_latent_and_the_rest_fixed(pipeline: Pipeline) -> None:
    challenge = small()
    (task,) = challenge.tasks("main")
    assert task.data["dim"] == 4 * 4 * 2
    picture = challenge.show(Case(task, Answer("find", task.data["start"])))
    assert picture.size == (16, 32)
    (call,) = pipeline.calls
    assert call["latents"].shape == (1, 4, 4, 2)
    assert call["latents"].flatten().tolist() == pytest.approx(task.data["start"], rel=1e-6)
    wanted = {"prompt": "a boat", "num_inference_steps": 3, "guidance_scale": 2.0, "height": 32, "width": 16}
    assert {name: call[name] for name in wanted} == wanted
    (shown,) = challenge.pictures(task, Answer("find", task.data["start"]))
    assert shown.data.startswith(b"\x89PNG")
    for odd in (None, [0.0], ["x"] * 32):
        assert challenge.pictures(task, Answer("find", odd)) == ()


def test_a_score_of_pictures_stands_in_for_people_and_the_sphere_is_kept(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(
        "import numpy as np\n"
        "def red(picture):\n"
        "    rgb = np.asarray(picture, float)\n"
        "    return (rgb[..., 0] - rgb[..., 1]).mean()\n"
    )
    challenge = small(by=f"{tmp_path}/score.py:red")
    (task,) = challenge.tasks("main")
    start = np.array(task.data["start"])
    solver = HumanLoop(mu=0.2, sphere=True)
    point = walk(solver, challenge, seed=0, marks=[180])[180]
    assert np.linalg.norm(point) == pytest.approx(np.linalg.norm(start))

    def redness(point: Any) -> float:
        rgb = np.asarray(challenge.show(Case(task, Answer("find", point.tolist()))), float)
        return float((rgb[..., 0] - rgb[..., 1]).mean())

    assert redness(point) > redness(start) + 10
    problem = Problem("ranked-latents", (task,))
    assert len(solver.ask(problem, solver.start(problem, stream(0)), stream(0))) == 6


def test_a_hostile_answer_is_a_fault(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def one(picture):\n    return 1.0\n")
    challenge = small(by=f"{tmp_path}/score.py:one")
    (task,) = challenge.tasks("main")
    for odd in (None, [0.0] * 31, [float("nan")] * 32, "x"):
        (score,) = challenge.judge([Case(task, Answer("find", odd))])
        assert score.fault is not None
        assert score.fault.whose == "solver"


def test_a_transformer_has_a_shape_too() -> None:
    pipe = SimpleNamespace(unet=None, transformer=SimpleNamespace(config=SimpleNamespace(in_channels=16)))
    assert latent_shape(pipe, 64, 32) == (16, 8, 4)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    latents.load_pipeline.cache_clear()

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(latents, "import_module", missing)
    with pytest.raises(ConfigError, match="pip install diffusers"):
        latents.load_pipeline("some/model", "cpu")
