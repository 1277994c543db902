"""The ladder of back ends: the strongest that passes its self-test, or a refusal that names each rung."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from guerdon.core.errors import ConfigError
from guerdon.sandbox.job import Sandbox
from guerdon.sandbox.pool import Pool


def open_sandbox(backend: str = "auto", *, workers: int = 1, imports: Sequence[str] = ()) -> Sandbox:
    """A sandbox of the strongest kind that works here."""
    if backend not in ("auto", "namespaces"):
        raise ConfigError("backend", f"got {backend!r}", "Use auto")
    return Pool("namespaces", workers, imports)
