"""Indices with which lists of submissions and the queue stay quick among millions."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the indices."""
    op.create_index("hosting_submissions_mine", "hosting_submissions", ["team", "contest", "seq"])
    op.create_index("hosting_submissions_newest", "hosting_submissions", ["contest", "seq"])
    op.create_index("hosting_submissions_sign", "hosting_submissions", ["heartbeat"])
