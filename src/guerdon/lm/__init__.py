"""Language models behind one client protocol: an endpoint, an embedded server, transformers, or a script.

Importing this package imports no HTTP client, no torch and no weights; `open_model` brings what a spec needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from guerdon.lm.opening import open_model
from guerdon.lm.protocol import (
    Continuation,
    Finish,
    Generation,
    Message,
    Model,
    Prompt,
    Role,
    Sampling,
    Usage,
    usage,
)
from guerdon.lm.scripted import Scripted

if TYPE_CHECKING:
    from guerdon.lm.cache import cached
    from guerdon.lm.embedded import Embedded
    from guerdon.lm.endpoint import Endpoint
    from guerdon.lm.torch_model import Torch

_LATER = {"cached": "cache", "Embedded": "embedded", "Endpoint": "endpoint", "Torch": "torch_model"}

__all__ = [
    "Continuation",
    "Embedded",
    "Endpoint",
    "Finish",
    "Generation",
    "Message",
    "Model",
    "Prompt",
    "Role",
    "Sampling",
    "Scripted",
    "Torch",
    "Usage",
    "cached",
    "open_model",
    "usage",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(f"guerdon.lm.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
