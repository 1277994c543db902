"""The first tables of contests: people, contests, submissions, comparisons and what has changed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seq() -> "sa.Column[int]":
    return sa.Column("seq", SERIAL, primary_key=True, autoincrement=True)


def _id(name: str = "id") -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, unique=True)


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default="") for name in names]


def _wholes(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in names]


def _times(*names: str) -> "list[sa.Column[float]]":
    return [sa.Column(name, sa.Double(), nullable=True) for name in names]


def upgrade() -> None:
    """Make the tables."""
    _people()
    _contests()
    _submissions()
    _comparisons()
    op.create_table(
        "hosting_events",
        _seq(),
        *_texts("kind", "contest", "object", "team"),
        *_times("at"),
    )


def _people() -> None:
    op.create_table("hosting_teams", _seq(), _id(), _id("key"), *_texts("name"), *_times("created"))
    op.create_table(
        "hosting_people",
        _seq(),
        _id(),
        _id("key"),
        *_texts("name", "role", "team", "password"),
        *_wholes("disabled"),
        *_times("created"),
    )
    op.create_table(
        "hosting_tokens",
        _seq(),
        _id("hash"),
        *_texts("id", "kind", "person", "role", "team", "label", "scopes", "made_by"),
        *_wholes("revoked"),
        *_times("created", "expires"),
    )
    op.create_index("hosting_tokens_person", "hosting_tokens", ["person", "kind"])


def _contests() -> None:
    op.create_table(
        "hosting_contests",
        _seq(),
        _id(),
        _id("slug"),
        *_texts("title", "ref", "fields", "rules", "made_by"),
        *_wholes("public"),
        *_times("created"),
    )
    op.create_table(
        "hosting_phases",
        _seq(),
        *_texts("contest", "name", "split", "visibility", "limits", "reveal", "run"),
        *_wholes("place"),
        *_times("step", "opens", "closes", "closed", "revealed"),
        sa.UniqueConstraint("contest", "name", name="hosting_phases_once"),
    )


def _submissions() -> None:
    op.create_table(
        "hosting_submissions",
        _seq(),
        _id(),
        *_texts("contest", "phase", "team", "person", "note", "name", "digest", "state", "worker", "token", "fault"),
        *_wholes("number", "size", "attempts", "tries", "deaths", "round", "final", "counts"),
        *_times("created", "queued", "until", "heartbeat", "finished"),
        sa.UniqueConstraint("contest", "phase", "number", name="hosting_submissions_once"),
    )
    op.create_index("hosting_submissions_team", "hosting_submissions", ["contest", "phase", "team"])
    op.create_index("hosting_submissions_state", "hosting_submissions", ["state", "queued"])


def _comparisons() -> None:
    op.create_table(
        "hosting_projects",
        _seq(),
        _id(),
        _id("slug"),
        *_texts("title", "question", "settings", "made_by"),
        *_times("created"),
    )
    op.create_table(
        "hosting_items",
        _seq(),
        *_texts("project", "id", "prompt", "content", "system", "group"),
        sa.UniqueConstraint("project", "id", name="hosting_items_once"),
    )
    op.create_index("hosting_items_project", "hosting_items", ["project", "seq"])
    op.create_table(
        "hosting_pairs",
        _seq(),
        _id(),
        *_texts("project", "first", "second", "annotator", "gold"),
        *_times("asked"),
    )
    op.create_index("hosting_pairs_project", "hosting_pairs", ["project", "seq"])
    op.create_table(
        "hosting_choices",
        _seq(),
        *_texts("project", "pair", "annotator", "kind", "outcome"),
        *_wholes("version"),
        *_times("at"),
        sa.UniqueConstraint("pair", "version", "kind", name="hosting_choices_once"),
    )
    op.create_index("hosting_choices_project", "hosting_choices", ["project", "seq"])
    op.create_table(
        "hosting_gold",
        _seq(),
        *_texts("project", "first", "second", "outcome"),
        sa.UniqueConstraint("project", "first", "second", name="hosting_gold_once"),
    )
