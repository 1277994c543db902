"""Who may do what: one pure function, which every method of a host asks."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from guerdon.core.challenge import Visibility
from guerdon.hosting.errors import NotAllowedError
from guerdon.hosting.things import Actor, Contest, Person, Phase, Project, Role, State, Submission


class Action(StrEnum):
    """What can be asked for. The object each is about is named behind it."""

    INVITE = "invite"  # None
    SEE_PEOPLE = "see people"  # None
    SEE_PERSON = "see person"  # Person
    USE_TOKENS = "use tokens"  # Person: make, list and revoke API tokens
    DISABLE = "disable"  # Person
    FORGET = "forget"  # Person: erase who somebody is
    SEE_DATA = "see data"  # Person: everything that is kept of them
    SEE_LOG = "see log"  # None: what organisers did
    CREATE_CONTEST = "create contest"  # None
    RUN_CONTEST = "run contest"  # Contest: close, reveal, change rules, export
    SEE_CONTEST = "see contest"  # Contest
    SUBMIT = "submit"  # Phase
    SEE_BOARD = "see board"  # Contest
    SEE_SCORES = "see scores"  # Phase: exact values of everybody
    SEE_DUPLICATES = "see duplicates"  # Contest
    SEE_QUEUE = "see queue"  # None
    SEE_RUNS = "see runs"  # None: runs, reports and lineages of all; Phase: of its run; Submission: of its attempts
    SEE_SUBMISSION = "see submission"  # Submission: that it is there and where it stands
    SEE_ANSWER = "see answer"  # Submission: what was handed in
    SEE_SCORE = "see score"  # Submission
    SEE_DETAIL = "see detail"  # Submission: what a fault said to the organiser
    CANCEL = "cancel"  # Submission
    RETRY = "retry"  # Submission
    CHOOSE_FINAL = "choose final"  # Submission
    CREATE_PROJECT = "create project"  # None
    RUN_PROJECT = "run project"  # Project: add items, export
    ANNOTATE = "annotate"  # Project
    SEE_RATINGS = "see ratings"  # Project


SCOPES: dict[str, frozenset[Action]] = {
    "read": frozenset(action for action in Action if action.value.startswith("see")),
    "submit": frozenset({Action.SUBMIT, Action.CANCEL, Action.RETRY, Action.CHOOSE_FINAL}),
    "annotate": frozenset({Action.ANNOTATE}),
    "organise": frozenset(Action),
}
"""What each scope of an API token opens. It never opens what the person may not do anyway."""

RETRIES = 10
"""So often a team may have one submission judged again."""
_OPEN_TO_VISITORS = frozenset({Action.SEE_CONTEST, Action.SEE_BOARD})


def may(actor: Actor, action: Action, thing: object = None) -> bool:
    """Whether an actor may do this to that thing.

    Nobody, organisers included, sees a score of a sealed phase before it is revealed; revealing is an act of its
    own, which is recorded and closes the phase.

    Args:
        actor: who.
        action: what.
        thing: to what; as `Action` says.
    """
    if actor.scopes is not None and not any(action in SCOPES.get(scope, ()) for scope in actor.scopes):
        return False
    if action in (Action.SEE_SCORE, Action.SEE_SCORES):
        return _sees_scores(actor, action, thing)
    if action is Action.SEE_RUNS and isinstance(thing, Phase):  # a run's page is nothing but scores
        return actor.role is Role.ORGANISER and _sees_scores(actor, Action.SEE_SCORES, thing)
    if actor.role is Role.ORGANISER:
        return True
    if actor.role is Role.VISITOR:
        return action in _OPEN_TO_VISITORS and isinstance(thing, Contest) and thing.public
    rule = _RULES.get(action)
    return rule is not None and rule(actor, thing)


def ensure(actor: Actor, action: Action, thing: object = None) -> None:
    """Refuse what an actor may not do.

    Raises:
        NotAllowedError: it may not.
    """
    if not may(actor, action, thing):
        who = actor.role.value if actor.role is not Role.VISITOR else "somebody who has not signed in"
        do = "Sign in" if actor.role is Role.VISITOR else "Ask an organiser"
        raise NotAllowedError(f"leave to {action.value}", f"asked by {who}", do)


def _sees_scores(actor: Actor, action: Action, thing: object) -> bool:
    if isinstance(thing, Phase):
        sealed, told = thing.visibility is not Visibility.OPEN, thing.revealed
        if sealed and not told:
            return actor.role is Role.ORGANISER and thing.visibility is Visibility.AGGREGATE
        return actor.role in (Role.ORGANISER, Role.ENTRANT, Role.ANNOTATOR)
    if not isinstance(thing, Submission) or action is Action.SEE_SCORES:
        return False
    if thing.visibility is Visibility.SEALED and not thing.revealed:
        return False
    if actor.role is Role.ORGANISER:
        return True
    return _own(actor, thing) and (thing.visibility is Visibility.OPEN or thing.revealed)


def _own(actor: Actor, thing: object) -> bool:
    return (
        actor.role is Role.ENTRANT and bool(actor.team) and isinstance(thing, Submission) and thing.team == actor.team
    )


def _own_and(check: Callable[[Submission], bool]) -> Callable[[Actor, object], bool]:
    return lambda actor, thing: isinstance(thing, Submission) and _own(actor, thing) and check(thing)


def _self(actor: Actor, thing: object) -> bool:
    return isinstance(thing, Person) and thing.id == actor.person and actor.person != ""


def _may_retry(thing: Submission) -> bool:
    """Faults of the judge or the host may be tried again by the team, not for ever: a judge that always fails would
    have no time for others. Its own would be a submission for nothing.
    """
    theirs = thing.fault is not None and thing.fault.whose != "solver"
    return thing.open and thing.state is State.FAULT and theirs and thing.round < RETRIES


def _known(actor: Actor, thing: object) -> bool:
    return isinstance(thing, Contest)


def _may_submit(actor: Actor, thing: object) -> bool:
    return isinstance(thing, Phase) and actor.role is Role.ENTRANT and bool(actor.team)


def _annotates(actor: Actor, thing: object) -> bool:
    return actor.role is Role.ANNOTATOR and isinstance(thing, Project)


_RULES: dict[Action, Callable[[Actor, object], bool]] = {
    Action.SEE_QUEUE: lambda actor, thing: thing is None and actor.role is Role.ENTRANT,
    Action.SEE_PERSON: _self,
    Action.SEE_DATA: _self,
    Action.USE_TOKENS: _self,
    Action.SEE_CONTEST: _known,
    Action.SEE_BOARD: _known,
    Action.SUBMIT: _may_submit,
    Action.SEE_SUBMISSION: _own,
    Action.SEE_ANSWER: _own,
    Action.SEE_RUNS: _own,
    Action.CANCEL: _own_and(lambda thing: thing.open),
    Action.RETRY: _own_and(_may_retry),
    Action.CHOOSE_FINAL: _own_and(lambda thing: thing.open),
    Action.ANNOTATE: _annotates,
    Action.SEE_RATINGS: _annotates,
}
"""What those may do who are neither organisers nor visitors. Everything else is for organisers."""
