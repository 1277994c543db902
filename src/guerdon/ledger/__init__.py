"""The ledger: one record of attempts, from which leaderboards, reports, training sets and exports are computed."""

from guerdon.ledger.ledger import Ledger
from guerdon.ledger.rows import (
    AttemptRow,
    ChoiceRow,
    RunRow,
    Status,
    StepRow,
    VerdictRow,
    attempt_id,
    verdict_id,
)

__all__ = [
    "AttemptRow",
    "ChoiceRow",
    "Ledger",
    "RunRow",
    "Status",
    "StepRow",
    "VerdictRow",
    "attempt_id",
    "verdict_id",
]
