"""A contest from its opening to its reveal, by hand."""

from pathlib import Path

import pytest
from hosting_helpers import ADMIN, FREE, Clock, OneFile, contest, entered, guess, judged, person

from guerdon import Score, Visibility
from guerdon.core.errors import LedgerError
from guerdon.hosting import (
    Actor,
    Host,
    HostingError,
    LimitError,
    Limits,
    NotAllowedError,
    NotFoundError,
    Phase,
    Role,
    State,
)


def test_the_path_of_a_submission(live: Host) -> None:
    contest(live)
    ann, bob = person(live, "Ann"), person(live, "Bob")
    item = live.submissions.submit(ann, "numbers", "open", guess("open", 3, 0, 12), note="first try")
    assert (item.state, item.number, item.note, item.team_name) == (State.QUEUED, 0, "first try", "Ann")
    judged(live, item, 1.0, 0.125, 1.0)
    done = live.submissions.get(ann, item.id)
    assert done.state is State.DONE
    assert done.score is not None
    assert done.score.value == pytest.approx((1 + 0.125 + 1) / 3)
    with pytest.raises(NotFoundError):
        live.submissions.get(bob, item.id)
    rows = live.board("numbers", "open", bob).rows
    assert [(row.team_name, row.rank, row.entries, row.submission) for row in rows] == [("Ann", 1, 1, "")]
    assert [len(live.ledger.verdicts(phase.run)) for phase in live.contests.get(ann, "numbers").phases] == [3, 0, 0]


def test_a_sealed_phase_tells_nothing_before_it_is_revealed(host: Host) -> None:
    contest(host, Phase("final", "final", limits=FREE))
    ann, bob = person(host, "Ann"), person(host, "Bob")
    first = entered(host, bob, "final", 0.9, 0.9, 0.9)
    second = entered(host, bob, "final", 0.2, 0.2, 0.2)
    entered(host, ann, "final", 0.5, 0.5, 0.5)
    for actor in (ADMIN, ann, bob):
        board = host.board("numbers", "final", actor)
        assert [(row.team_name, row.value, row.rank, row.at) for row in board.rows] == [
            ("Ann", None, None, None),
            ("Bob", None, None, None),
        ]
    assert host.submissions.get(bob, first.id).score is None
    assert host.submissions.get(ADMIN, first.id).score is None
    host.submissions.choose_final(bob, first.id)
    host.contests.reveal(ADMIN, "numbers", "final")
    rows = host.board("numbers", "final", ann).rows
    assert [(row.team_name, row.value) for row in rows] == [("Bob", 0.9), ("Ann", 0.5)]
    shown = host.submissions.get(bob, second.id).score
    assert shown is not None
    assert shown.value == pytest.approx(0.2)
    with pytest.raises(HostingError, match="closed"):
        host.submissions.submit(ann, "numbers", "final", guess("final", 1, 2, 3))


def test_a_sealed_phase_counts_the_newest_where_none_was_chosen(host: Host) -> None:
    contest(host, Phase("final", "final", limits=FREE))
    ann = person(host, "Ann")
    entered(host, ann, "final", 0.9, 0.9, 0.9)
    entered(host, ann, "final", 0.2, 0.2, 0.2)
    host.contests.reveal(ADMIN, "numbers")
    assert [row.value for row in host.board("numbers", "final", ann).rows] == [pytest.approx(0.2)]


def test_an_aggregate_phase_releases_what_the_ladder_does(host: Host) -> None:
    contest(host, Phase("test", "test", limits=FREE))
    ann = person(host, "Ann")
    item = entered(host, ann, "test", 0.2, 0.3, 0.4)
    assert host.submissions.get(ann, item.id).score is None
    assert host.submissions.get(ADMIN, item.id).score is not None

    def released() -> float | None:
        return host.board("numbers", "test", ann).rows[0].value

    assert released() == pytest.approx(1 / 3)  # 0.3 in thirds
    entered(host, ann, "test", 0.2, 0.3, 0.5)  # better by no more than one standard error
    assert released() == pytest.approx(1 / 3)
    better = entered(host, ann, "test", 0.8, 0.9, 0.9)
    assert released() == pytest.approx(1.0)
    assert host.board("numbers", "test", ann).rows[0].entries == 3
    host.submissions.cancel(ann, better.id)
    assert released() == pytest.approx(1 / 3)
    host.contests.reveal(ADMIN, "numbers")
    assert released() == pytest.approx(1.0 / 3)


def test_an_aggregate_phase_of_one_number_has_a_fixed_step(host: Host) -> None:
    contest(host, Phase("test", "test", limits=FREE, step=0.01), challenge=OneFile())
    ann = person(host, "Ann")
    values = []
    for value in (0.5, 0.505, 0.509, 0.5251, 0.4):
        judged(host, host.submissions.submit(ann, "numbers", "test", b"1"), value)
        values.append(host.board("numbers", "test", ann).rows[0].value)
    assert values == [0.5, 0.5, 0.5, 0.53, 0.53]


def test_ties_share_a_rank_and_a_group(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    spans = {"Ann": (0.9, 0.85, 0.95), "Bob": (0.88, 0.8, 0.92), "Cid": (0.3, 0.2, 0.4), "Dan": (0.3, 0.2, 0.4)}
    for name, (value, low, high) in spans.items():
        item = host.submissions.submit(person(host, name), "numbers", "open", b"1")
        judged(host, item, Score(value, {"low": low, "high": high}))
    rows = host.board("numbers", "open", ADMIN).rows
    assert [(row.team_name, row.rank, row.group) for row in rows] == [
        ("Ann", 1, 1), ("Bob", 1, 1), ("Cid", 3, 2), ("Dan", 3, 2)
    ]  # fmt: skip
    assert rows[0].low == 0.85


def test_limits_by_day_in_total_and_at_once(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", limits=Limits(per_day=2, total=3, concurrent=1)))
    ann = person(host, "Ann")

    def submit() -> None:
        judged(host, host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3)), 0.1, 0.1, 0.1)

    waiting = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    with pytest.raises(LimitError, match="at most 1 submissions that wait"):
        submit()
    host.submissions.cancel(ann, waiting.id)  # nobody had it: it does not count
    submit()
    submit()
    with pytest.raises(LimitError, match=r"at most 2 submissions a day.*0:00 UTC"):
        submit()
    clock.now += 86400
    submit()
    with pytest.raises(LimitError, match="at most 3 submissions in all"):
        submit()


def test_a_fault_of_the_host_does_not_count(host: Host) -> None:
    contest(host, Phase("open", "open", limits=Limits(total=1)))
    ann = person(host, "Ann")
    item = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    lease = host.queue.lease("w")
    assert lease
    host.queue.fail(lease, "sandbox", "host", "no user namespaces on node 7")
    seen = host.submissions.get(ann, item.id)
    assert seen.state is State.FAULT
    assert seen.fault is not None
    assert (seen.fault.detail, seen.fault.whose) == ("", "host")
    assert "host's side" in seen.fault.sentence
    detail = host.submissions.get(ADMIN, item.id).fault
    assert detail is not None
    assert detail.detail == "no user namespaces on node 7"
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))


def test_phases_open_and_close_by_the_clock(host: Host, clock: Clock) -> None:
    start = clock.now
    contest(host, Phase("open", "open", opens=start + 600, closes=start + 1200, reveal="close"))
    ann = person(host, "Ann")
    with pytest.raises(HostingError, match="opens in 10 minutes"):
        host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    clock.now = start + 700
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    clock.now = start + 1200
    with pytest.raises(HostingError, match="closed"):
        host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    assert host.contests.get(ann, "numbers").phases[0].revealed


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"open/0": 1}, "2 of 3 are missing, the first is 'open/1'"),
        ({**guess("open", 1, 2, 3), "open/9": 1}, "got 'open/9'"),
        (b'{"open/0": 1, "open/0": 2}', "comes twice"),
        (b'{"open/0": NaN}', "NaN is not JSON"),
        (b'{"open/0": 1e999}', "column 12, field .* is more than a number can be"),
        (b"[1, 2", "line 1, column"),
        (b"\xff\xfe", "byte 0 begins UTF-16"),
        (b"[" * 100_000, "more than 100 levels"),
        (b"[1]", "got a list"),
        (b"1" * 5000, "a number of 5,000 characters"),
    ],
)
def test_what_is_no_submission_is_refused_at_the_door(host: Host, content: bytes, what: str) -> None:
    contest(host)
    with pytest.raises(HostingError, match=what):
        host.submissions.submit(ADMIN, "numbers", "open", content)
    assert host.submissions.list_for(ADMIN) == []


def test_people_come_by_invitation_only(host: Host, clock: Clock) -> None:
    token = host.people.invite(ADMIN, Role.ENTRANT, "Team A")
    ann = host.people.accept(token, "Ann", "a long enough sentence")
    assert (ann.team_name, ann.role) == ("Team A", Role.ENTRANT)
    with pytest.raises(HostingError, match="used or old"):
        host.people.accept(token, "Eve", "a long enough sentence")
    with pytest.raises(HostingError, match="is taken"):
        host.people.accept(host.people.invite(ADMIN, Role.ENTRANT), "ＡＮＮ", "a long enough sentence")
    with pytest.raises(HostingError, match="10 to 1000"):
        host.people.accept(token, "Eve", "short")
    old = host.people.invite(ADMIN, Role.ORGANISER)
    clock.now += 15 * 86400
    with pytest.raises(HostingError, match="used or old"):
        host.people.accept(old, "Eve", "a long enough sentence")
    with pytest.raises(NotAllowedError):
        host.people.invite(Actor(ann.id, "Ann", Role.ENTRANT, ann.team), Role.ORGANISER)


def test_sessions_and_tokens(host: Host, tmp_path: Path) -> None:
    ann = person(host, "Ann")
    session = host.people.sign_in("ann ", "a long enough sentence")
    token = host.people.new_api_token(ann, "laptop", ["read"])
    assert host.people.actor_of(session) == ann
    reader = host.people.actor_of(token)
    assert reader is not None
    contest(host)
    with pytest.raises(NotAllowedError):
        host.submissions.submit(reader, "numbers", "open", guess("open", 1, 2, 3))
    host.people.sign_out(session)
    assert host.people.actor_of(session) is None
    host.people.revoke_api_token(ann, host.people.api_tokens(ann)[0].id)
    assert host.people.actor_of(token) is None
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("host.db*") if path.is_file())
    assert session.encode() not in stored
    assert b"a long enough sentence" not in stored
    host.people.disable(ADMIN, ann.person)
    with pytest.raises(NotAllowedError):
        host.people.sign_in("Ann", "a long enough sentence")


def test_guessing_a_password_comes_to_an_end(host: Host, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    person(host, "Ann")
    monkeypatch.setattr("guerdon.hosting.passwords.matches", lambda password, stored: password == "right")
    for _ in range(10):
        with pytest.raises(NotAllowedError, match="do not belong together"):
            host.people.sign_in("Ann", "wrong")
    with pytest.raises(LimitError):
        host.people.sign_in("Ann", "right")
    clock.now += 901
    assert host.people.actor_of(host.people.sign_in("Ann", "right")) is not None


def test_contests_that_cannot_be(host: Host) -> None:
    with pytest.raises(HostingError, match="tells no more than its split"):
        contest(host, Phase("x", "final", visibility=Visibility.OPEN))
    with pytest.raises(HostingError, match="opens before it closes"):
        contest(host, Phase("x", "open", opens=2.0, closes=1.0))
    with pytest.raises(HostingError, match="times in unix seconds"):
        contest(host, Phase("x", "open", closes=float("nan")))
    with pytest.raises(HostingError, match="a slug"):
        contest(host, slug="../etc")
    contest(host)
    with pytest.raises(HostingError, match="is taken"):
        contest(host)
    with pytest.raises(NotFoundError):
        host.contests.get(Actor.visitor(), "numbers")


def test_near_duplicates_of_two_teams_are_listed(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    ann, bob = person(host, "Ann"), person(host, "Bob")
    lines = [b'{"image_id": %d, "score": 0.%d}' % (i, i) for i in range(1000)]
    copies = [b",".join(lines), b",".join(lines), b",".join([*lines[:-2], b'{"image_id": 1}', b"{}"]), b"else"]
    for actor, content in zip((ann, bob, bob, bob), copies, strict=True):
        host.submissions.submit(actor, "numbers", "open", content)
    host.submissions.submit(ann, "numbers", "open", copies[0])
    found = host.near_duplicates("numbers", ADMIN)
    assert [(each.first.number, each.second.number) for each in found] == [(0, 1), (1, 4), (0, 2)]
    assert [each.agreement for each in found] == [1.0, 1.0, pytest.approx(0.998)]
    with pytest.raises(NotAllowedError):
        host.near_duplicates("numbers", ann)


def test_changes_come_once_and_name_only_ones_own(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    ann, bob = person(host, "Ann"), person(host, "Bob")
    start = host.newest_event()
    item = entered(host, ann, "open", 0.1, 0.2, 0.3)
    assert [(c.kind, c.object) for c in host.events(start, ann)] == [("submission", item.id)]
    assert [(c.kind, c.contest, c.object) for c in host.events(start, bob)] == [("submission", "numbers", "")]
    assert [(c.contest, c.object) for c in host.events(start)] == [("", "")]
    assert host.events(host.newest_event(), ann) == []


def test_a_newer_program_s_tables_are_refused(host: Host, tmp_path: Path) -> None:
    host.store.write(lambda to: to.change("UPDATE hosting_schema SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer guerdon"):
        Host.open(tmp_path / "host.db")


def told(host: Host, actor: Actor) -> str:
    """Everything that a host tells an actor."""
    said = [host.contests.list(actor), host.board("numbers", "final", actor), host.events(0, actor)]
    said += [host.submissions.list_for(actor)]
    said += [host.submissions.get(actor, item.id) for item in host.submissions.list_for(actor)]
    if actor.role is not Role.ANNOTATOR:
        said.append(host.queue.view(actor))
    return repr(said)


def test_a_sealed_score_is_in_nothing_that_anybody_is_told(host: Host) -> None:
    contest(host, Phase("final", "final", limits=FREE), challenge=OneFile())
    ann, bob = person(host, "Ann"), person(host, "Bob")
    item = host.submissions.submit(ann, "numbers", "final", b"1")
    judged(host, item, Score(0.7310585, {"low": 0.7310584, "secret_part": 0.7310586}))
    everybody = [ADMIN, ann, bob, person(host, "Cid", Role.ANNOTATOR)]
    assert [("0.73105" in told(host, actor)) for actor in everybody] == [False] * 4
    host.contests.close(ADMIN, "numbers")
    assert [("0.73105" in told(host, actor)) for actor in everybody] == [False] * 4
    host.contests.reveal(ADMIN, "numbers")
    assert [("0.73105" in told(host, actor)) for actor in everybody] == [True] * 4


def test_a_place_that_a_host_s_fault_gave_back_is_used_once(host: Host) -> None:
    contest(host, Phase("open", "open", limits=Limits(total=1, concurrent=None)))
    ann = person(host, "Ann")
    item = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    lease = host.queue.lease("w")
    assert lease
    host.queue.fail(lease, "sandbox")
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    with pytest.raises(LimitError):
        host.submissions.retry(ann, item.id)
    assert host.submissions.retry(ADMIN, item.id).state is State.QUEUED


def test_a_hidden_contest_and_none_are_told_alike(host: Host) -> None:
    contest(host)
    for slug in ("numbers", "nambers"):
        with pytest.raises(NotFoundError, match=rf"got '{slug}'\. Sign in, or see the list"):
            host.contests.get(Actor.visitor(), slug)
    with pytest.raises(NotFoundError, match="Did you mean numbers"):
        host.contests.get(ADMIN, "nambers")


def test_what_entrants_read_and_the_times_can_be_changed(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", closes=clock.now + 10))
    ann = person(host, "Ann")
    clock.now += 20
    assert host.contests.get(ann, "numbers").phases[0].closed
    host.contests.reschedule(ADMIN, "numbers", "open", None, clock.now + 10)
    assert not host.contests.get(ann, "numbers").phases[0].closed
    changed = host.contests.change(ADMIN, "numbers", title="Other", rules_markdown="# New", public=True)
    assert (changed.title, changed.rules) == ("Other", "# New")
    with pytest.raises(HostingError, match="a title: it is empty"):
        host.contests.change(ADMIN, "numbers", title=" ")
    assert host.contests.get(Actor.visitor(), "numbers").ref == ""
    with pytest.raises(NotAllowedError):
        host.contests.change(ann, "numbers", title="Mine")
    host.contests.reveal(ADMIN, "numbers")
    with pytest.raises(HostingError, match="is revealed"):
        host.contests.reschedule(ADMIN, "numbers", "open", None, None)


def test_what_is_judged_again_keeps_its_value_until_it_is(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    item = host.submissions.submit(ADMIN, "numbers", "open", b"1")
    judged(host, item, 0.5)

    def shown() -> list[float | None]:
        return [row.value for row in host.board("numbers", "open", ADMIN).rows]

    host.submissions.retry(ADMIN, item.id)
    assert shown() == [0.5]
    judged(host, item, 0.7)
    assert shown() == [0.7]
    run = host.contests.find("numbers").phases[0].run
    assert [v.reason for v in host.ledger.verdicts(run, all=True)] == ["first", "retry 1"]
    host.submissions.cancel(ADMIN, item.id)
    assert shown() == []
    assert host.submissions.cancel(ADMIN, item.id).state is State.CANCELLED


@pytest.mark.parametrize(
    ("entry", "content", "stored"),
    [
        ("file", b"\xff\x00", b"\xff\x00"),
        ("file", {"b": 1, "a": 2}, b'{"a":2,"b":1}'),
        ("text", "a\x00\ud800b", "a\x00\ud800b".encode("utf-8", "surrogatepass")),
        ("text", b"\xef\xbb\xbfabc", b"abc"),
        ("json", b'{"a": [1, 2.5, null]}', b'{"a":[1,2.5,null]}'),
        ("json", [1, "x"], b'[1,"x"]'),
    ],
)
def test_an_answer_comes_back_as_it_was_kept(
    live: Host, entry: str, content: bytes, stored: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OneFile, "entry", entry, raising=False)
    contest(live, Phase("open", "open", limits=FREE), challenge=OneFile())
    item = live.submissions.submit(ADMIN, "numbers", "open", content, note="n\x00ote\ud800", name="ü\x00.txt")
    seen = live.submissions.get(ADMIN, item.id)
    assert live.submissions.answer(ADMIN, item.id) == stored
    assert (seen.note, seen.name) == ("n\x00ote\ud800", "ü\x00.txt")


def test_a_submission_that_is_too_large(host: Host, tmp_path: Path) -> None:
    contest(host, Phase("open", "open", limits=Limits(size=10)), challenge=OneFile())
    big = tmp_path / "big.bin"
    big.write_bytes(b"x" * 11)
    with pytest.raises(HostingError, match="at most 10 bytes"):
        host.submissions.submit(ADMIN, "numbers", "open", big)


@pytest.mark.parametrize("given", [Visibility.SEALED, Visibility.AGGREGATE])
def test_phases_of_one_split_tell_the_same(host: Host, given: Visibility) -> None:
    with pytest.raises(HostingError, match=f"b is {given} and a is open on open"):
        contest(host, Phase("a", "open", limits=FREE), Phase("b", "open", limits=FREE, visibility=given))
    contest(host, Phase("a", "open", limits=FREE, visibility=given), Phase("b", "open", limits=FREE, visibility=given))
