"""A small model in this process: llama.cpp's server on loopback, and an endpoint that points at it."""

from __future__ import annotations

import contextlib
import os
import secrets
import weakref
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.plain import digest
from guerdon.lm import weights
from guerdon.lm.endpoint import Endpoint
from guerdon.lm.files import file_digest
from guerdon.lm.retry import Retry


class Embedded(Endpoint):
    """A GGUF file served in this process by llama.cpp; it stops at `close` or when the process ends.

    The server listens on a free loopback port and answers only to a key that this object drew. Each sample is one
    request with its own seed, so its tokens are exact. Which requests share a batch moves the last digits of the
    logits, so a seed fixes a sample up to near-ties unless `parallel=1`.

    Args:
        name: `smollm2`, fetched on first use, or the path of a GGUF file.
        context: tokens of one prompt and its generation together; 0 is as many as the model was trained for.
        parallel: requests served at the same time; memory for the context grows with it.
        threads: processor threads; 0 takes half of the cores.
        progress: told about the download, in bytes.
        reuse: keep the computed part of a prompt for later ones that begin alike. It changes the last digits too.

    Raises:
        ConfigError: xllamacpp is not installed, or the file is not a model that it can load.
    """

    def __init__(
        self,
        name: str | Path = "smollm2",
        *,
        context: int = 2048,
        parallel: int = 4,
        threads: int = 0,
        progress: weights.Progress | None = None,
        reuse: bool = True,
    ) -> None:
        xllamacpp = _engine()
        for option, value, least in (("context", context, 0), ("parallel", parallel, 1), ("threads", threads, 0)):
            if value < least:
                raise ConfigError(f"Embedded's {option} is at least {least}", f"got {value}", "Change it")
        if name in weights.CATALOGUE:
            entry = weights.known(str(name))
            path, sha256, label = weights.get(entry.name, progress), entry.sha256, entry.name
            context = context or entry.context
        else:
            path = Path(name)
            if not path.is_file():
                known = ", ".join(weights.CATALOGUE)
                raise ConfigError("an embedded model is a known name or a GGUF file", f"got {name}", f"Known: {known}")
            sha256, label = file_digest(path), path.stem
        key = secrets.token_urlsafe(24)
        self._server: Any = _serve(xllamacpp, path, label, key, context, parallel, threads or _half())
        super().__init__(
            f"{self._server.listening_address}/v1",
            label,
            key=key,
            concurrency=2 * parallel,
            together=False,
            dialect="llamacpp",
            extra={"cache_prompt": reuse},
            retry=Retry(attempts=3),
            read_timeout=600.0,
            total_timeout=3600.0,
        )
        self._context = context
        self.digest = digest("embedded", sha256, context, xllamacpp.__version__)
        self._ended = weakref.finalize(self, _end, self._client, [self._server])
        del self._server

    @property
    def context(self) -> int | None:
        """Tokens of one prompt and its generation together."""
        return self._context or super().context

    def serving(self) -> str:
        """The model's name: nobody can swap the file behind this process."""
        return self.model

    def close(self) -> None:
        """Stop the server; twice is fine."""
        if hasattr(self, "_ended"):
            self._ended()


def _end(client: Any, server: list[Any]) -> None:
    """Connections first: the server waits for those that are open."""
    with contextlib.suppress(Exception):
        client.close()
    server.clear()


def _half() -> int:
    return max(1, len(os.sched_getaffinity(0)) // 2 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 2) // 2)


def _engine() -> Any:
    """The xllamacpp module, told to sleep rather than spin while its threads wait for one another.

    With spinning threads one other busy process slows it down a hundredfold (measured: 88 to 0.7 tokens/s on two
    cores). The OpenMP runtime reads the setting when it is loaded; it is then put back, for other users of OpenMP.
    """
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import xllamacpp
    except ImportError:
        raise ConfigError(
            "an embedded model needs xllamacpp", "it is not installed", 'Run pip install "guerdon[lm]"'
        ) from None
    finally:
        if before is None:
            os.environ.pop("OMP_WAIT_POLICY", None)
    return xllamacpp


def _serve(xllamacpp: Any, path: Path, label: str, key: str, context: int, parallel: int, threads: int) -> Any:
    params = xllamacpp.CommonParams()
    params.verbosity = -1  # nothing on the terminal
    params.model.path = str(path)
    params.model_alias = {label}
    params.n_ctx = context * parallel  # shared out among the slots
    params.n_parallel = parallel
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    params.fit_params = False
    params.cache_ram_mib = 64
    try:
        return xllamacpp.Server(params)
    except Exception as error:  # noqa: BLE001  # whatever the binding raises, the file is at fault
        raise ConfigError(
            "llama.cpp loads the model", f"{path}: {error}", "Check that it is a whole GGUF file"
        ) from None
