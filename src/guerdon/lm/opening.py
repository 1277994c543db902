"""`open_model`: one line of text to a model."""

from __future__ import annotations

from typing import Any

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.lm import scripted
from guerdon.lm.protocol import Model

SMALL = ("smollm2",)
"""Weights that `open_model` serves in this process."""


def open_model(spec: str, **options: Any) -> Model:
    """The model that a spec names.

    Args:
        spec: `smollm2` (served in this process), `torch:smollm2` or `torch:org/name` or `torch:/a/folder`
            (transformers), `http://host:port/v1#model-id` (any OpenAI-compatible server; the key comes from
            GUERDON_API_KEY or OPENAI_API_KEY), or `scripted:NAME` (a stand-in).
        options: arguments of the class behind it.

    Raises:
        ConfigError: the spec names none of these.

    >>> open_model("scripted:echo").generate(["hello"])[0][0].text
    'hello'
    """
    kind, colon, rest = spec.partition(":")
    if kind in ("http", "https"):
        from guerdon.lm.endpoint import Endpoint

        url, _, model = spec.partition("#")
        return Endpoint(url, model, **options)
    if kind == "scripted" and colon:
        return scripted.Scripted(rest, **options)
    if kind == "torch" and rest:
        from guerdon.lm.torch_model import Torch

        return Torch(rest, **options)
    if spec in SMALL:
        from guerdon.lm.embedded import Embedded

        return Embedded(spec, **options)
    known = [*SMALL, "torch:smollm2", *(f"scripted:{name}" for name in scripted.NAMES), "http://host:port/v1#model-id"]
    raise ConfigError("a model spec names a known model", f"got {spec!r}", did_you_mean(spec, known))
