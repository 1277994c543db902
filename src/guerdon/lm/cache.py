"""Generations that were paid for are not paid for twice."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError, ProviderError
from guerdon.core.plain import digest
from guerdon.lm.prompts import checked, plain
from guerdon.lm.protocol import DEFAULT, Closing, Continuation, Generation, Model, Prompt, Sampling, sampling_fields

_WAIT = 30.0  # seconds to wait for another process's write
_VERSION = 1  # of what a row means; part of each key


def cached(model: Model, place: str | Path) -> Cached:
    """The model, with its answers kept in a SQLite file.

    Args:
        model: any model; its digest is part of each key, so models never share.
        place: the file, or a folder in which `generations.sqlite` is kept. Several processes may share it.

    >>> import tempfile
    >>> from guerdon.lm import Scripted
    >>> with tempfile.TemporaryDirectory() as folder, cached(Scripted("echo"), folder) as model:
    ...     [model.generate(["hello"])[0][0].cached for _ in range(2)]
    [False, True]
    """
    path = Path(place)
    file = path / "generations.sqlite" if path.is_dir() or not path.suffix else path
    return Cached(model, file)


class Cached(Closing):
    """A model whose answers are looked up first.

    A key is the digest of everything: the model's digest, the whole prompt, each field of the sampling with its seed,
    and the sample's index. Faults are never kept. A prompt is a hit when all its `n` samples are there. Where the
    model can tell what its server serves now (`Endpoint.serving`), answers of another served model are no hits; when
    the server does not answer, what was kept is used.
    """

    def __init__(self, model: Model, file: Path) -> None:
        self.model, self.file = model, file
        self._here = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._asked = False

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def digest(self) -> str:
        """The model's identity: a cache does not change what it says."""
        return self.model.digest

    @property
    def context(self) -> int | None:
        """Length of the model's context in tokens, if known."""
        return self.model.context

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = DEFAULT) -> list[list[Generation]]:
        """`sampling.n` generations for each prompt, in order; those that were kept are marked `cached`."""
        wanted = checked(prompts)
        fields = sampling_fields(sampling)
        who = self.model.digest
        keys = [
            [digest(_VERSION, "generate", who, plain(prompt), fields, index) for index in range(sampling.n)]
            for prompt in wanted
        ]
        kept = self._read([key for group in keys for key in group])
        served = self._served() if kept else None
        made: dict[int, list[Generation]] = {}
        for at, group in enumerate(keys):
            found = [_generation(kept[key]) for key in group if key in kept]
            if len(found) == sampling.n and all(served in (None, each.model) for each in found):
                made[at] = found
        missing = [at for at in range(len(wanted)) if at not in made]
        # The same prompt twice in a batch gives the same texts, so it is asked for once.
        first: dict[str, int] = {}
        for at in missing:
            first.setdefault(keys[at][0], at)
        fresh = self.model.generate([wanted[at] for at in first.values()], sampling) if first else []
        answers = dict(zip(first, fresh, strict=True))
        self._write(
            (key, asdict(each))
            for at, group in zip(first.values(), fresh, strict=True)
            for key, each in zip(keys[at], group, strict=True)
            if each.fault is None
        )
        for at in missing:
            again = first[keys[at][0]] != at
            made[at] = [replace(each, cached=again and each.fault is None) for each in answers[keys[at][0]]]
        return [made[at] for at in range(len(wanted))]

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Continuation]:
        """How likely each continuation is after its prompt, in order; those that were kept are marked `cached`."""
        wanted = list(pairs)
        checked([prompt for prompt, _ in wanted])
        who = self.model.digest
        keys = [digest(_VERSION, "score", who, plain(prompt), text) for prompt, text in wanted]
        kept = self._read(keys)
        served = self._served() if kept else None
        known = {key: _continuation(row) for key, row in kept.items() if served in (None, row.get("served"))}
        todo = {key: pair for key, pair in zip(keys, wanted, strict=True) if key not in known}
        fresh = dict(zip(todo, self.model.score(list(todo.values())), strict=True)) if todo else {}
        now = getattr(self.model, "served", None)
        self._write((key, {**asdict(each), "served": now}) for key, each in fresh.items() if each.fault is None)
        return [known[key] if key in known else fresh[key] for key in keys]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as the model counts them."""
        return self.model.count(texts)

    def _served(self) -> str | None:
        """The id that the model's server answers with, asked once; `None` when there is no server or no answer."""
        serving = getattr(self.model, "serving", None)
        if serving is None:
            return None
        if not self._asked:
            self._asked = True
            try:
                serving()
            except ProviderError:
                return None
        seen: str | None = getattr(self.model, "served", None)
        return seen

    def _connection(self) -> sqlite3.Connection:
        """One connection for each thread of each process."""
        if getattr(self._here, "pid", None) != os.getpid():
            made = None
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                made = sqlite3.connect(self.file, timeout=_WAIT, isolation_level=None, check_same_thread=False)
                made.execute("PRAGMA journal_mode=WAL")
                made.execute("PRAGMA synchronous=NORMAL")
                made.execute(
                    "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
                )
            except (OSError, sqlite3.Error) as error:
                if made is not None:
                    made.close()
                raise ConfigError(
                    "a cache of generations is a SQLite file that can be written",
                    f"{self.file}: {error}",
                    "Move it away",
                ) from None
            self._here.pid, self._here.connection = os.getpid(), made
            with self._lock:
                self._open.append(made)
        connection: sqlite3.Connection = self._here.connection
        return connection

    def _read(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        connection = self._connection()
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = connection.execute(f"SELECT key, value FROM kept WHERE key IN ({marks})", some)
            found.update((key, json.loads(value)) for key, value in rows)
        return found

    def _write(self, rows: Iterator[tuple[str, dict[str, Any]]]) -> None:
        # ASCII JSON keeps lone surrogates, which SQLite text could not.
        ready = [(key, json.dumps(value, ensure_ascii=True)) for key, value in rows]
        if ready:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", ready)
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the model and the file."""
        self.model.close()
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._here = threading.local()


def _generation(row: dict[str, Any]) -> Generation:
    logprobs = row["logprobs"]
    return Generation(**{**row, "logprobs": None if logprobs is None else tuple(logprobs), "cached": True})


def _continuation(row: dict[str, Any]) -> Continuation:
    row = {key: value for key, value in row.items() if key != "served"}
    per_token = row["per_token"]
    return Continuation(**{**row, "per_token": None if per_token is None else tuple(per_token), "cached": True})
