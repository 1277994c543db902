"""The first schema: runs, tasks, attempts, verdicts, steps and choices, append-only by triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FIXED = {
    "runs": "seq, id, challenge, split, visibility, solver, judge, seed, budget, recipe, versions, created",
    **dict.fromkeys(("tasks", "attempts", "verdicts", "steps", "choices"), ""),
}


def _seq() -> "sa.Column[int]":
    return sa.Column("seq", SERIAL, primary_key=True, autoincrement=True)


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _whole(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _real(name: str, nullable: bool = False) -> "sa.Column[float]":
    return sa.Column(name, sa.Double(), nullable=nullable)


def _once() -> "sa.Column[str]":
    return sa.Column("id", TEXT, nullable=False, unique=True)


def _of(name: str, target: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), sa.ForeignKey(target), nullable=False)


def upgrade() -> None:
    """Make the tables and forbid changes to them."""
    op.create_table("meta", sa.Column("name", TEXT, primary_key=True), *_texts("value"))
    _runs_and_tasks()
    _attempts_and_verdicts()
    _steps_and_choices()
    if op.get_bind().dialect.name == "postgresql":
        _fix_postgresql()
    else:
        _fix_sqlite()


def _runs_and_tasks() -> None:
    identity = _texts("challenge", "split", "visibility", "solver", "judge", "seed", "budget", "recipe", "versions")
    op.create_table("runs", _seq(), _once(), *identity, _real("created"), *_texts("status"))
    digest = sa.Column("digest", TEXT, nullable=False, unique=True)
    op.create_table("tasks", _seq(), digest, *_texts("challenge", "id", "data"))


def _attempts_and_verdicts() -> None:
    op.create_table(
        "attempts",
        _seq(),
        _once(),
        _of("run", "runs.seq"),
        *_whole("step", "place"),
        *_texts("task", "content"),
        *_whole("blob"),
        *_texts("parents", "note"),
    )
    op.create_index("attempts_place", "attempts", ["run", "step", "place"])
    op.create_table(
        "verdicts",
        _seq(),
        *_texts("id"),
        _of("attempt", "attempts.seq"),
        *_texts("judge"),
        _real("value", nullable=True),
        sa.Column("fault", TEXT),
        sa.Column("whose", TEXT),
        *_texts("score", "sandbox"),
        _real("seconds"),
        *_texts("reason"),
        *_whole("superseded"),
        _real("created"),
        sa.UniqueConstraint("attempt", "id", name="verdicts_once"),
    )


def _steps_and_choices() -> None:
    op.create_table(
        "steps",
        _seq(),
        _of("run", "runs.seq"),
        *_whole("step"),
        _real("seconds"),
        *_whole("tokens"),
        _real("sandbox_seconds"),
        *_whole("frames"),
        sa.Column("checkpoint", TEXT),
        *_texts("note"),
        sa.UniqueConstraint("run", "step", name="steps_once"),
    )
    op.create_table(
        "choices",
        _seq(),
        _once(),
        _of("run", "runs.seq"),
        *_whole("step", "place"),
        *_texts("task", "left_id", "right_id"),
        sa.Column("outcome", TEXT),
        *_texts("choice", "annotator"),
    )
    op.create_index("choices_place", "choices", ["run", "step", "place"])


def _fix_sqlite() -> None:
    refuse = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for table, columns in FIXED.items():
        of = f" OF {columns}" if columns else ""
        op.execute(f"CREATE TRIGGER {table}_keep BEFORE UPDATE{of} ON {table} {refuse}")
        op.execute(f"CREATE TRIGGER {table}_stay BEFORE DELETE ON {table} {refuse}")


def _fix_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION guerdon_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    does = "FOR EACH STATEMENT EXECUTE FUNCTION guerdon_append_only()"
    for table, columns in FIXED.items():
        of = f" OF {columns}" if columns else ""
        op.execute(f"CREATE TRIGGER {table}_keep BEFORE UPDATE{of} ON {table} {does}")
        op.execute(f"CREATE TRIGGER {table}_stay BEFORE DELETE OR TRUNCATE ON {table} {does}")
