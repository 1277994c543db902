"""Hosting a contest: people, phases, limits, submissions, the queue, boards and comparisons. No pages."""

from guerdon.hosting.compared import Item, Outcome, Review, Sensitivity, ShownPair, Side, Standing, Voter
from guerdon.hosting.duplicates import Duplicate
from guerdon.hosting.errors import EditedError, HostingError, LimitError, NotAllowedError, NotFoundError
from guerdon.hosting.forgetting import Forgotten
from guerdon.hosting.host import Host
from guerdon.hosting.log import Deed
from guerdon.hosting.may import Action, may
from guerdon.hosting.queue import Lease, QueueView, Verdict, Waiting
from guerdon.hosting.things import (
    Actor,
    Board,
    BoardRow,
    Change,
    Contest,
    Limits,
    LimitsLeft,
    Person,
    Phase,
    Project,
    Role,
    Shown,
    State,
    Submission,
    Told,
)

__all__ = [
    "Action",
    "Actor",
    "Board",
    "BoardRow",
    "Change",
    "Contest",
    "Deed",
    "Duplicate",
    "EditedError",
    "Forgotten",
    "Host",
    "HostingError",
    "Item",
    "Lease",
    "LimitError",
    "Limits",
    "LimitsLeft",
    "NotAllowedError",
    "NotFoundError",
    "Outcome",
    "Person",
    "Phase",
    "Project",
    "QueueView",
    "Review",
    "Role",
    "Sensitivity",
    "Shown",
    "ShownPair",
    "Side",
    "Standing",
    "State",
    "Submission",
    "Told",
    "Verdict",
    "Voter",
    "Waiting",
    "may",
]
