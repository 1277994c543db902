"""Who may do what, over every role, object and action."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from guerdon import Visibility
from guerdon.hosting import Action, Actor, Contest, Person, Phase, Role, State, Submission, Told, may
from guerdon.hosting.may import SCOPES

teams = st.sampled_from(["", "red", "blue"])
scopes = st.none() | st.frozensets(st.sampled_from([*SCOPES, "nonsense"]))
actors = st.builds(Actor, st.sampled_from(["", "p1", "p2"]), st.just("name"), st.sampled_from(Role), teams, scopes)
visibilities = st.sampled_from(Visibility)
phases = st.builds(Phase, st.just("p"), visibility=visibilities, closed=st.booleans(), revealed=st.booleans())
contests = st.builds(
    Contest, st.just("c"), st.just("c"), st.just("c"), st.just(""), st.just(""), st.just(()), st.just(0.0),
    st.booleans(),
)  # fmt: skip
faults = st.none() | st.builds(Told, st.just("crash"), st.sampled_from(["solver", "judge", "host"]), st.just("s"))
submissions = st.builds(
    Submission, id=st.just("s"), contest=st.just("c"), phase=st.just("p"), number=st.just(0), team=teams,
    team_name=st.just("t"), person=st.sampled_from(["p1", "p2"]), created=st.just(0.0), note=st.just(""),
    name=st.just(""), size=st.just(1), digest=st.just(""), state=st.sampled_from(State), tries=st.just(0),
    worker=st.just(""), heartbeat=st.none(), final=st.booleans(), visibility=visibilities, revealed=st.booleans(),
    open=st.booleans(), score=st.none(), fault=faults,
)  # fmt: skip
people = st.builds(
    Person, st.sampled_from(["", "p1", "p2"]), st.just("n"), st.sampled_from(Role), teams, st.just("t"),
    st.just(0.0), st.booleans(),
)  # fmt: skip
things: Any = st.none() | phases | contests | submissions | people | st.text(max_size=3)
actions = st.sampled_from(Action)


@given(actors, actions, things)
def test_it_answers_every_question_and_answers_it_alike(actor: Actor, action: Action, thing: Any) -> None:
    assert may(actor, action, thing) is may(actor, action, thing)


@given(actors, submissions | phases)
def test_nobody_sees_a_sealed_score_before_it_is_revealed(actor: Actor, thing: Any) -> None:
    if thing.visibility is Visibility.SEALED and not thing.revealed:
        assert not may(actor, Action.SEE_SCORE, thing)
        assert not may(actor, Action.SEE_SCORES, thing)


@given(actors, actions, submissions)
def test_nobody_but_organisers_touches_another_team_s_submission(actor: Actor, action: Action, thing: Any) -> None:
    if actor.role is not Role.ORGANISER and actor.team != thing.team:
        assert not may(actor, action, thing)


@given(actors, actions, submissions)
def test_only_entrants_and_organisers_have_to_do_with_submissions(actor: Actor, action: Action, thing: Any) -> None:
    if may(actor, action, thing):
        assert actor.role in (Role.ORGANISER, Role.ENTRANT)


@given(actors, submissions | phases)
def test_an_exact_score_of_an_aggregate_split_is_for_organisers_until_it_is_revealed(actor: Actor, thing: Any) -> None:
    hidden = thing.visibility is Visibility.AGGREGATE and not thing.revealed
    if hidden and (may(actor, Action.SEE_SCORE, thing) or may(actor, Action.SEE_SCORES, thing)):
        assert actor.role is Role.ORGANISER


@given(actors, actions, things)
def test_visitors_read_public_contests_and_nothing_else(actor: Actor, action: Action, thing: Any) -> None:
    if actor.role is Role.VISITOR and may(actor, action, thing):
        assert action in (Action.SEE_CONTEST, Action.SEE_BOARD)
        assert isinstance(thing, Contest)
        assert thing.public


@given(actors, actions, things)
def test_what_runs_a_contest_is_for_organisers(actor: Actor, action: Action, thing: Any) -> None:
    running = {
        Action.INVITE, Action.SEE_PEOPLE, Action.DISABLE, Action.CREATE_CONTEST, Action.RUN_CONTEST,
        Action.SEE_DUPLICATES, Action.SEE_DETAIL, Action.CREATE_PROJECT, Action.RUN_PROJECT, Action.SEE_LOG,
        Action.FORGET,
    }  # fmt: skip
    if action in running and actor.role is not Role.ORGANISER:
        assert not may(actor, action, thing)


@given(actors, actions, things)
def test_a_token_never_opens_more_than_its_person_may(actor: Actor, action: Action, thing: Any) -> None:
    whole = Actor(actor.person, actor.name, actor.role, actor.team)
    assert may(whole, action, thing) or not may(actor, action, thing)
    assert not may(Actor(actor.person, actor.name, actor.role, actor.team, frozenset()), action, thing)


@given(actors, submissions)
def test_what_a_team_failed_at_itself_is_not_tried_again_for_nothing(actor: Actor, thing: Any) -> None:
    if actor.role is Role.ENTRANT and may(actor, Action.RETRY, thing):
        assert thing.fault.whose != "solver"
        assert thing.state is State.FAULT


@given(actors, things)
def test_runs_are_for_organisers_and_attempts_for_their_team(actor: Actor, thing: Any) -> None:
    if not may(actor, Action.SEE_RUNS, thing):
        return
    assert actor.role in (Role.ORGANISER, Role.ENTRANT)
    if actor.role is Role.ENTRANT:
        assert isinstance(thing, Submission)
        assert thing.team == actor.team != ""
    if isinstance(thing, Phase):
        assert may(actor, Action.SEE_SCORES, thing)
        assert thing.visibility is not Visibility.SEALED or thing.revealed


def test_whoever_may_see_runs_sees_them() -> None:
    ann, ada = Actor("p1", "Ann", Role.ENTRANT, "red"), Actor("p2", "Ada", Role.ORGANISER, "ada")
    for actor, expected in ((Actor.local(), True), (ada, True), (ann, False), (Actor.visitor(), False)):
        assert may(actor, Action.SEE_RUNS) is expected
        assert may(actor, Action.SEE_RUNS, Phase("p", visibility=Visibility.OPEN)) is expected
        assert not may(actor, Action.SEE_RUNS, Phase("p", visibility=Visibility.SEALED))
        assert may(actor, Action.SEE_RUNS, Phase("p", visibility=Visibility.SEALED, revealed=True)) is expected


@given(actors, people)
def test_what_is_kept_of_somebody_is_told_to_them_and_to_organisers(actor: Actor, thing: Any) -> None:
    if may(actor, Action.SEE_DATA, thing):
        assert actor.role is Role.ORGANISER or actor.person == thing.id != ""
