"""What organisers did, the version of a contest that two of them may edit at once, and limits found by person."""

import sqlalchemy as sa
from alembic import op

from guerdon.hosting.migrations.versions.v0001_first import SERIAL, TEXT

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the log, the version and the index."""
    texts = [sa.Column(name, TEXT, nullable=False, server_default="") for name in ("person", "action", "contest",
                                                                                  "object", "detail")]  # fmt: skip
    op.create_table(
        "hosting_log",
        sa.Column("seq", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        *texts,
        sa.Column("at", sa.Double(), nullable=True),
    )
    op.create_index("hosting_log_action", "hosting_log", ["action", "seq"])
    op.add_column("hosting_contests", sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("hosting_submissions_person", "hosting_submissions", ["contest", "phase", "person"])
