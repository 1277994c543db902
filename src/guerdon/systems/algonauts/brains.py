"""Brains that are made up, so that everything can be tried: an early region and a late one, and pictures to show them.

The early region pools Gabor energy in receptive fields; the late one is tuned to what is in the picture. No network has
a part in it. Noise is that of single trials, with known ratios of signal to noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.numerics.noise import noise_ceiling
from guerdon.systems.algonauts.features import Bytes, gabor_energy, grey, shrunk
from guerdon.systems.algonauts.layout import Hemisphere
from guerdon.systems.algonauts.prepare import Recording

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Table: TypeAlias = npt.NDArray[np.float32]
PICTURES = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "page.png", "retina.jpg",
)  # fmt: skip
"""Pictures that scikit-image ships; each is a category."""
FREQUENCIES = (9.0, 18.0, 36.0)
"""Of the early region's filters, in cycles per picture (source: three of them; which ones is ours)."""
ORIENTATIONS = 4


@dataclass(frozen=True, eq=False)
class Stimuli:
    """Pictures (N, size, size, 3), and which category each is of (N,)."""

    images: Bytes
    categories: npt.NDArray[np.int64]


def crops(each: int, size: int, rng: Rng) -> Stimuli:
    """Random crops of the pictures that scikit-image ships, in random order.

    Args:
        each: crops of one picture.
        size: side in pixels.
        rng: draws places and sizes: 35 to 80 % of the shorter side.

    Raises:
        ConfigError: scikit-image is not installed.
    """
    from PIL import Image

    try:
        skimage: Any = import_module("skimage")
    except ImportError:
        raise ConfigError("the pictures of scikit-image", "it is not installed", "pip install scikit-image") from None
    folder = Path(skimage.__file__).parent / "data"
    images, categories = [], []
    for at, name in enumerate(PICTURES):
        with Image.open(folder / name) as file:
            picture = file.convert("RGB")
        for _ in range(each):
            side = int(min(picture.size) * rng.uniform(0.35, 0.8))
            left, top = (int(rng.integers(0, length - side + 1)) for length in picture.size)
            box = picture.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
            images.append(np.asarray(box))
            categories.append(at)
    order = rng.permutation(len(images))
    return Stimuli(np.stack(images)[order], np.array(categories)[order])


def blobs(count: int, size: int, kinds: int, rng: Rng) -> Stimuli:
    """Pictures that need no package: coloured gratings in noise, one kind of grating for each category."""
    y, x = np.mgrid[0:size, 0:size] / size
    categories = rng.integers(kinds, size=count)
    images = np.empty((count, size, size, 3), np.uint8)
    for at, kind in enumerate(categories):
        angle, cycles = np.pi * kind / kinds + rng.normal() * 0.1, 3 + 2 * (kind % 3)
        wave = np.sin(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
        colour = 0.6 + 0.4 * np.cos(2 * np.pi * (kind / kinds + np.arange(3) / 3))
        noisy = 128 + 90 * wave[..., None] * colour + 25 * rng.normal(size=(size, size, 3))
        images[at] = np.clip(noisy, 0, 255)
    return Stimuli(images, categories)


def early(images: Bytes, vertices: int, rng: Rng) -> Table:
    """Responses (N, vertices) of Gabor energy in Gaussian receptive fields, standardised."""
    side = images.shape[1]
    energy = gabor_energy(grey(images), tuple(each / side for each in FREQUENCIES), ORIENTATIONS)
    count, filters, grid = len(energy), energy.shape[1], side // 2
    halved = shrunk(energy.reshape(-1, side, side), grid)
    y, x = np.mgrid[0:grid, 0:grid] / grid
    centres, widths = rng.uniform(0.2, 0.8, (vertices, 2)), rng.uniform(0.08, 0.2, vertices)
    distance = (y[None] - centres[:, 0, None, None]) ** 2 + (x[None] - centres[:, 1, None, None]) ** 2
    field = np.exp(-distance / (2 * widths[:, None, None] ** 2)).reshape(vertices, -1)
    field /= field.sum(1, keepdims=True)
    pooled = halved.reshape(count, filters, -1) @ field.T.astype(np.float32)
    pooled /= pooled.std((0, 2), keepdims=True) + 1e-9
    tuning = rng.gamma(0.5, 1.0, (filters, vertices))
    return standardised(np.einsum("nkv,kv->nv", pooled, tuning))


def late(categories: npt.NDArray[np.int64], vertices: int, rng: Rng) -> Table:
    """Responses (N, vertices) that depend on the category alone, standardised."""
    return standardised(rng.normal(size=(int(categories.max()) + 1, vertices))[categories])


def standardised(table: npt.NDArray[Any]) -> Table:
    """Columns with mean 0 and standard deviation 1."""
    spread = table.std(0)
    return np.asarray((table - table.mean(0)) / np.where(spread > 0, spread, 1.0), np.float32)


@dataclass(frozen=True, eq=False)
class Shown:
    """Mean responses to images that were shown a few times.

    Args:
        responses: (N, vertices).
        signal: (N, vertices), what they would be without noise.
        ncsnr: (vertices,).
        repeats: (N,).
    """

    responses: Table
    signal: Table
    ncsnr: npt.NDArray[np.float64]
    repeats: npt.NDArray[np.int64]

    def ceiling(self, rows: slice) -> npt.NDArray[np.float64]:
        """The noise ceiling of some images."""
        return noise_ceiling(self.ncsnr, self.repeats[rows])


def shown(signal: Table, rng: Rng) -> Shown:
    """Add noise: ncsnr ~ Gamma(4, 0.15) for each vertex, 1 to 3 repeats of each image."""
    ncsnr = np.asarray(rng.gamma(4.0, 0.15, signal.shape[1]))
    repeats = rng.integers(1, 4, len(signal))
    noise = rng.standard_normal(signal.shape, dtype=np.float32) / np.sqrt(repeats, dtype=np.float32)[:, None]
    scaled = np.asarray(signal * ncsnr, np.float32)
    return Shown(np.asarray(scaled + noise, np.float32), scaled, ncsnr, repeats)


REGIONS = {1: "V1v", 2: "hV4"}
STREAMS = {1: "early", 5: "ventral"}


def recording(
    name: str, folder: Path, *, images: int, vertices: int, seed: int, make: Callable[[int, Rng], Stimuli]
) -> Recording:
    """Single trials of a made-up subject, ten sessions, for `prepare`: half of a hemisphere is early, half late.

    Args:
        name: such as subj01.
        folder: gets the pictures.
        images: different pictures.
        vertices: of each hemisphere, 2 or more.
        seed: of everything.
        make: makes so many pictures.
    """
    from PIL import Image

    rng = stream(seed, "brain", name)
    stimuli = make(images, rng)
    half = vertices // 2
    items, sessions = _schedule(images, rng)
    paths = {}
    folder.mkdir(parents=True, exist_ok=True)
    for at, picture in enumerate(stimuli.images):
        paths[at] = folder / f"{name}-{at:05d}.png"
        Image.fromarray(picture).save(paths[at])
    betas, regions = {}, {}
    labels = np.repeat([1, 2], [half, vertices - half])
    for side in ("lh", "rh"):
        signal = np.concatenate(
            [early(stimuli.images, half, rng), late(stimuli.categories, vertices - half, rng)], axis=1
        )
        trials = signal[items] * rng.gamma(4.0, 0.15, vertices)
        drift = rng.normal(size=(int(sessions.max()) + 1, vertices))
        betas[side] = np.asarray(trials + rng.normal(size=trials.shape) + drift[sessions], np.float32)
        regions[side] = {
            "prf-visualrois": (labels, REGIONS),
            "streams": (np.where(labels == 1, 1, 5), STREAMS),
        }
    sides: dict[Hemisphere, npt.NDArray[Any]] = {"lh": betas["lh"], "rh": betas["rh"]}
    return Recording(name, items, sessions, sides, paths, {"lh": regions["lh"], "rh": regions["rh"]})


def _schedule(images: int, rng: Rng) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each picture three times; a fifth of them in the last three of ten sessions only."""
    late_ones = max(4, images // 5)
    when = np.where(np.arange(images)[:, None] < images - late_ones, rng.integers(0, 7, (images, 3)), 0)
    when[images - late_ones :] = rng.integers(7, 10, (late_ones, 3))
    items, sessions = np.repeat(np.arange(images), 3), when.reshape(-1)
    order = np.lexsort((rng.random(len(items)), sessions))
    return items[order], sessions[order]
