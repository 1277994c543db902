"""An imported contest as a folder: what it asks in `contest.json`, whose evaluator in `program/`, keys in `keys/`.

OUT/challenge.py      what `guerdon check`, `guerdon solve` and a host are given
OUT/contest.json      splits, measures, limits, notes; may be edited
OUT/program/          the evaluator as it came
OUT/keys/NAME/        what it compares with, readable by its owner only
OUT/public/           what entrants may see
"""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from guerdon.core.challenge import Visibility
from guerdon.core.errors import ConfigError
from guerdon.core.plain import digest
from guerdon.hosting.files import read_json, safe_name

Kind = Literal["evalai", "codabench", "kaggle"]
FORMAT = 1
_CHALLENGE = '''"""{title}: imported from {source}."""

from pathlib import Path

from guerdon.interop.foreign import ForeignContest

CONTEST = ForeignContest(folder=str(Path(__file__).resolve().parent))
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A column of a leaderboard.

    Args:
        key: what the evaluator calls it.
        higher: whether more is better.
        title: for people.
    """

    key: str
    higher: bool = True
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One call of the evaluator.

    Args:
        keys: the folder below `keys/` that it may read.
        program: the folder below `program/` that holds it.
        command: how it is started, if it is a program: a Python file and its arguments.
        argument: what it is called with besides: the phase's codename.
        pick: which of its results counts: the dataset split's codename.
    """

    keys: str
    program: str = ""
    command: tuple[str, ...] = ()
    argument: str = ""
    pick: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What is handed in and ranked together.

    Args:
        name: of the split.
        title: for people.
        visibility: what is told.
        measures: of its leaderboard, the one that ranks first.
        parts: calls of the evaluator; their main measures are averaged.
        file_types: endings that may be handed in; any by default.
        limits: `per_day`, `per_month`, `total` and `concurrent` submissions, where it says.
        opens: when, as `2026-12-24T12:00:00Z`; "" where the original does not say.
        closes: when, likewise.
    """

    name: str
    title: str
    visibility: Visibility = Visibility.OPEN
    measures: tuple[Measure, ...]
    parts: tuple[Part, ...]
    file_types: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    opens: str = ""
    closes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What is known of an imported contest.

    Args:
        source: where it comes from.
        slug: its name here.
        title: for people.
        splits: at least one.
        imports: modules that its evaluator needs.
        wall_s: seconds that one call of the evaluator may take.
        memory_mb: megabytes that it may take.
        row_id: of a table, the column that names its rows.
        columns: of a table, all that entrants hand in.
        notes: what was left out, and what the organiser should know.
    """

    source: Kind
    slug: str
    title: str
    splits: tuple[Split, ...]
    imports: tuple[str, ...] = ()
    wall_s: float = 120.0
    memory_mb: int = 2048
    row_id: str = ""
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> Split:
        """A split by its name."""
        return next(each for each in self.splits if each.name == name)


def slug_of(text: str, most: int = 40) -> str:
    """A name of a-z, 0-9 and -.

    >>> slug_of("Iris: Dev Phase!")
    'iris-dev-phase'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:most].strip("-") or "contest"


def write_contest(
    contest: Contest,
    folder: Path,
    *,
    program: Mapping[str, bytes],
    keys: Mapping[str, bytes],
    public: Mapping[str, bytes],
) -> None:
    """Write a contest's folder.

    Args:
        contest: what it asks.
        folder: made here; must not be there, or be empty.
        program: files of the evaluators.
        keys: files that evaluators compare with.
        public: files for entrants.

    Raises:
        ConfigError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError("a folder that is new or empty", f"{folder} is not", "Name another one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    for part, files, mode in (("program", program, 0o755), ("keys", keys, 0o700), ("public", public, 0o755)):
        (folder / part).mkdir(mode=mode)
        for name, data in files.items():
            target = folder / part / safe_name(name)
            target.parent.mkdir(parents=True, exist_ok=True, mode=mode)
            target.touch(mode=0o600 if part == "keys" else 0o644)
            target.write_bytes(data)
    plain = {"format": FORMAT, **dataclasses.asdict(contest)}
    (folder / "contest.json").write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    title = contest.title.encode("ascii", "replace").decode().replace("\\", "/").replace('"', "'")
    text = _CHALLENGE.format(title="".join(filter(str.isprintable, title)), source=contest.source)
    (folder / "challenge.py").write_text(text, encoding="utf-8")


def read_contest(folder: Path) -> Contest:
    """Read a contest's folder.

    Raises:
        ConfigError: it is none, or its `contest.json` was edited into something else.
    """
    path = folder / "contest.json"
    if not path.is_file():
        raise ConfigError("the folder of an imported contest", f"there is no {path}", "Run guerdon import-contest")
    plain = read_json(path, where=str(path))
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
        raise ConfigError(f"{path} of format {FORMAT}", "it is of another", "Import the contest again")
    try:
        contest = _contest(plain)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} as it was written", f"{type(error).__name__}: {error}", "Mend it") from None
    if not contest.splits or any(not split.measures or not split.parts for split in contest.splits):
        raise ConfigError(f"splits with measures and parts in {path}", "one has none", "Mend it")
    return contest


def _contest(plain: dict[str, Any]) -> Contest:
    splits = [
        Split(
            **{
                **each,
                "visibility": Visibility(each["visibility"]),
                "measures": tuple(Measure(**measure) for measure in each["measures"]),
                "parts": tuple(Part(**{**part, "command": tuple(part["command"])}) for part in each["parts"]),
                "file_types": tuple(each["file_types"]),
            }
        )
        for each in plain["splits"]
    ]
    lists = {name: tuple(plain[name]) for name in ("imports", "columns", "notes")}
    return Contest(**{**plain, **lists, "splits": tuple(splits)})


def files_below(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by their relative names; links are not followed."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def digest_of(files: Mapping[str, bytes]) -> str:
    """What two folders with the same content share."""
    import hashlib

    return digest([[name, hashlib.sha256(data).hexdigest()] for name, data in sorted(files.items())])


def limits_of(phase: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, int]:
    """The limits of submissions that a phase names: theirs to ours."""
    found = {ours: phase.get(theirs) for theirs, ours in names.items()}
    return {name: value for name, value in found.items() if type(value) is int and value > 0}


def time_of(value: object) -> str:
    """A time in UTC to the second, from what stands in a YAML file; "" if it is none. Where no zone is named it is UTC.

    >>> time_of("2026-12-24 13:00:00+01:00"), time_of("2026-12-24"), time_of("soon"), time_of(None)
    ('2026-12-24T12:00:00Z', '2026-12-24T00:00:00Z', '', '')
    """
    try:
        found = datetime.fromisoformat(str(value).strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return ""


def times_noted(phase: str, given: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """What is said of times of a phase that cannot be read."""
    return [
        f"Not taken over: {name} of phase {phase}, {str(given[name])!r:.40} is no time"
        for name in names
        if given.get(name) and not time_of(given[name])
    ]


def fingerprint_of(folder: Path) -> str:
    """What two copies of a contest share, wherever they are."""
    parts = {name: digest_of(files_below(folder / name)).encode() for name in ("program", "keys", "public")}
    return digest_of({**parts, "contest.json": (folder / "contest.json").read_bytes()})


def refused(of: str, reasons: Sequence[str]) -> ConfigError:
    """What is said of a contest that is beyond the common subset; names every reason."""
    return ConfigError(
        f"what guerdon can import of {of}", "; ".join(reasons), "See docs/importing.md for what it takes"
    )
