"""From a contest's reference to its challenge, and to the tasks that answers are for."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from guerdon.bench.loading import challenge_class
from guerdon.bench.vault import Vault
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ChallengeError, ConfigError, GuerdonError, did_you_mean
from guerdon.core.plain import Json, not_plain
from guerdon.core.recipe import kind
from guerdon.core.reward import Reward
from guerdon.core.task import Answer
from guerdon.hosting.things import Entry


def reference(challenge: Challenge | str, fields: Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
    """What is stored of a challenge: how it is found, and its fields.

    Args:
        challenge: an instance, or a slug, `module:Class` or `FILE.py[:NAME]`.
        fields: of its class, where it is given by name.

    Raises:
        ConfigError: an instance whose fields are not plain data.
    """
    if isinstance(challenge, str):
        return _absolute(challenge), absolute_paths(challenge_class(challenge), fields)
    own = {f.name: getattr(challenge, f.name) for f in dataclasses.fields(cast(Any, challenge)) if f.init}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in own.items()}
    if problem := not_plain(plain, "challenge"):
        raise ConfigError("a challenge whose fields are plain data", problem, "Name it as FILE.py:NAME instead")
    file = inspect.getsourcefile(type(challenge))
    if type(challenge).__module__.startswith("guerdon_file_") and file:
        return f"{file}:{type(challenge).__qualname__}", plain
    return kind(challenge), plain


def _absolute(ref: str) -> str:
    path, colon, name = ref.partition(":")
    return f"{Path(path).resolve()}{colon}{name}" if path.endswith(".py") else ref


def is_path_field(each: dataclasses.Field[Any]) -> bool:
    """A field that may name a file or folder: a path, or a text without a value of its own by default."""
    kind = str(each.type)
    return "Path" in kind or ("str" in kind and each.default in ("", None, dataclasses.MISSING))


def is_there(path: str) -> bool:
    """Whether a text names a file or folder; one that cannot be a path names none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def absolute_paths(kind: Any, fields: Mapping[str, Json]) -> dict[str, Json]:
    """Fields of a challenge's class whose files are found from any folder, since workers start in folders of their own.

    Args:
        kind: the class; an instance has no fields to be given.
        fields: as they were given, paths relative to this folder.

    Raises:
        ConfigError: the class has no such field.
    """
    known = {each.name: each for each in dataclasses.fields(kind) if each.init} if isinstance(kind, type) else {}
    for name in fields:
        if name not in known:
            raise ConfigError(f"a field of {getattr(kind, 'name', kind)}", f"got {name!r}", did_you_mean(name, known))
    return {
        name: str(Path(value).resolve())
        if isinstance(value, str) and value and is_path_field(known[name]) and is_there(value)
        else value
        for name, value in fields.items()
    }


def challenge_of(ref: str, fields: Mapping[str, Any]) -> Challenge:
    """The challenge behind a reference.

    Raises:
        ConfigError: it is not here, has no such field, or is judged by comparison.
    """
    found = challenge_class(ref)
    if isinstance(found, type):
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        try:
            found = found(**given)
        except TypeError as error:
            raise ConfigError(f"the fields of {ref}", str(error), "See the class for its fields") from None
    if not isinstance(found.judge, Reward):
        raise ConfigError(
            "a challenge that is judged by a reward", f"{ref} compares", "Make it a comparison project instead"
        )
    return found


class Posed:
    """A challenge's split as answers meet it: its tasks, and how an answer comes. Only workers ask for keys."""

    def __init__(self, challenge: Challenge, split: str) -> None:
        self.challenge, self.split = challenge, split
        self.vault = Vault(challenge, split)
        if not self.vault.tasks:
            raise ConfigError(
                f"{challenge.name}/{split} has tasks", "it has none", "Give it the data of this split, or take another"
            )

    def ready(self) -> None:
        """Ask for the keys once, so that a contest is not opened on a challenge that nobody can judge.

        Raises:
            ChallengeError: there are none.
        """
        try:
            self.vault.cases([Answer(task, None) for task in self.vault.tasks])
        except GuerdonError:
            raise
        except Exception as error:
            got = f"{type(error).__name__}: {str(error)[:200]}"
            raise ChallengeError(f"keys of {self.challenge.name}/{self.split}", got, "See guerdon check") from error

    @property
    def single(self) -> bool:
        """One task, so that a submission is one answer."""
        return len(self.vault.tasks) == 1

    @property
    def entry(self) -> Entry:
        """How an answer reaches the judge: what the challenge's attribute `entry` says, else a file for one task."""
        entry = getattr(self.challenge, "entry", "file" if self.single else "json")
        if entry not in get_args(Entry):
            raise ConfigError("entry is file, text or json", f"got {entry!r}", f"Correct {self.challenge.name}")
        return cast(Entry, entry)

    @property
    def judge(self) -> Reward:
        """Who scores answers."""
        return cast(Reward, self.challenge.judge)

    @property
    def floor(self) -> float:
        """What an item counts on which the entrant's answer failed: the lowest score, or 0 where there is none."""
        low = self.judge.range[0]
        return low if low > float("-inf") else 0.0
