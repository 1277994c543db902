"""One copy of each model per process, opened when first needed; a model that is open already can be lent."""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guerdon.core.plain import canonical
from guerdon.lm.opening import open_model
from guerdon.lm.protocol import Model

_lent: dict[str, Shared] = {}
_open: dict[str, Shared] = {}


@dataclass(frozen=True, slots=True)
class Shared:
    """A model, and its digest when it was opened, before anything was trained or put into it."""

    model: Model
    digest: str


def opened(spec: str, **options: Any) -> Shared:
    """The model that a spec names, opened once per process and closed at its end.

    Args:
        spec: what `open_model` opens, or the name under which a model was lent.
        options: arguments of the class behind it; others make another copy.

    >>> opened("scripted:echo").model is opened("scripted:echo").model
    True
    """
    if spec in _lent:
        return _lent[spec]
    key = f"{spec} {canonical(options)}"
    if key not in _open:
        model = open_model(spec, **options)
        atexit.register(model.close)
        _open[key] = Shared(model, model.digest)
    return _open[key]


@contextlib.contextmanager
def lend(spec: str, model: Model) -> Iterator[None]:
    """Let a recipe with `model=spec` use a model that is open already.

    >>> from guerdon.lm.scripted import Scripted
    >>> with lend("mine", Scripted("empty")):
    ...     opened("mine").model.name
    'scripted:empty'
    """
    before = _lent.get(spec)
    _lent[spec] = Shared(model, model.digest)
    try:
        yield
    finally:
        del _lent[spec]
        if before is not None:
            _lent[spec] = before
