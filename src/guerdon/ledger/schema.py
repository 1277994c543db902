"""The tables, and the statements on the hot path.

Whole numbers join what belongs together; the digests that people and other programs use are unique columns.
Only ASCII is stored (see `codec`), so that any encoding and collation of a server gives the same order.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0001"
"""The newest schema this program knows; migrations are numbered 0001, 0002, ..."""

VERSION_TABLE = "schema"

metadata = MetaData()

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_WHOLE = BigInteger()
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, null: bool = False) -> Column[str]:
    return Column(name, _TEXT, nullable=null)


def _real(name: str, null: bool = False) -> Column[float]:
    return Column(name, Double(), nullable=null)


def _whole(name: str, *more: ForeignKey) -> Column[int]:
    return Column(name, _WHOLE, *more, nullable=False)


def _serial() -> Column[int]:
    return Column("seq", _SERIAL, primary_key=True, autoincrement=True)


meta = Table("meta", metadata, Column("name", _TEXT, primary_key=True), _text("value"))

runs = Table(
    "runs",
    metadata,
    _serial(),
    Column("id", _TEXT, nullable=False, unique=True),
    *(_text(name) for name in ("challenge", "split", "visibility", "solver", "judge", "seed")),
    *(_text(name) for name in ("budget", "recipe", "versions")),
    _real("created"),
    _text("status"),
)

tasks = Table(
    "tasks",
    metadata,
    _serial(),
    Column("digest", _TEXT, nullable=False, unique=True),
    _text("challenge"),
    _text("id"),
    _text("data"),
)

attempts = Table(
    "attempts",
    metadata,
    _serial(),
    Column("id", _TEXT, nullable=False, unique=True),
    _whole("run", ForeignKey("runs.seq")),
    _whole("step"),
    _whole("place"),
    _text("task"),
    _text("content"),
    _whole("blob"),
    _text("parents"),
    _text("note"),
    Index("attempts_place", "run", "step", "place"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _serial(),
    _text("id"),
    _whole("attempt", ForeignKey("attempts.seq")),
    _text("judge"),
    _real("value", null=True),
    _text("fault", null=True),
    _text("whose", null=True),
    _text("score"),
    _text("sandbox"),
    _real("seconds"),
    _text("reason"),
    _whole("superseded"),
    _real("created"),
    UniqueConstraint("attempt", "id", name="verdicts_once"),
)

steps = Table(
    "steps",
    metadata,
    _serial(),
    _whole("run", ForeignKey("runs.seq")),
    _whole("step"),
    _real("seconds"),
    _whole("tokens"),
    _real("sandbox_seconds"),
    _whole("frames"),
    _text("checkpoint", null=True),
    _text("note"),
    UniqueConstraint("run", "step", name="steps_once"),
)

choices = Table(
    "choices",
    metadata,
    _serial(),
    Column("id", _TEXT, nullable=False, unique=True),
    _whole("run", ForeignKey("runs.seq")),
    _whole("step"),
    _whole("place"),
    *(_text(name) for name in ("task", "left_id", "right_id")),
    _text("outcome", null=True),
    _text("choice"),
    _text("annotator"),
    Index("choices_place", "run", "step", "place"),
)

HISTORY = ("tasks", "attempts", "verdicts", "steps", "choices")
"""Tables whose rows never change."""


def insert(table: Table, mark: str) -> str:
    """`INSERT ... ON CONFLICT DO NOTHING` of every column but `seq`, with the driver's parameter mark."""
    names = [column.name for column in table.columns if column.name != "seq"]
    marks = ", ".join([mark] * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING"


def insert_verdict(mark: str) -> str:
    """As `insert(verdicts)`, but given the attempt's id; an unknown one gives NULL, which the column refuses."""
    names = [column.name for column in verdicts.columns if column.name != "seq"]
    values = [f"(SELECT seq FROM attempts WHERE id = {mark})" if name == "attempt" else mark for name in names]
    return f"INSERT INTO verdicts ({', '.join(names)}) VALUES ({', '.join(values)}) ON CONFLICT DO NOTHING"
