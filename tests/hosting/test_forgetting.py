"""Whoever is forgotten is in no table, no file and no export; what counts still counts."""

import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from hosting_helpers import (
    ADMIN,
    FREE,
    PASSWORD,
    Clock,
    Numbers,
    OneFile,
    all_text,
    contest,
    entered,
    guess,
    judged,
    person,
)
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from guerdon import Score
from guerdon.hosting import Actor, Host, HostingError, Item, NotAllowedError, NotFoundError, Phase, Role, State, Verdict
from guerdon.hosting.exports import Format
from guerdon.hosting.people import name_key
from guerdon.hosting.store import pack

NAME = "Zoë Quillfeather"


def forms(name: str) -> list[bytes]:
    """The ways in which a name may stand somewhere."""
    ways = {name, name.casefold(), pack(name), name_key(name), json.dumps(name)[1:-1], pack(name).strip('"')}
    return [way.encode("utf-8", "surrogatepass") for way in ways] + [name.encode("utf-16-le")]


def lived(host: Host, name: str = NAME, team: str = "") -> Actor:
    """Somebody who did all that can be done, and wrote their name wherever one can."""
    contest(host, Phase("open", "open", limits=FREE), Phase("final", "final", limits=FREE), challenge=Numbers())
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile(), slug="files")
    who = person(host, name, team=team)
    host.people.invite(ADMIN, Role.ENTRANT, host.people.get(who.person).team_name)
    host.people.new_api_token(who, f"{name}'s laptop")
    with pytest.raises(NotAllowedError):
        host.people.sign_in(name, "a wrong password, too")
    entered(host, who, "open", 0.5, 0.25, 0.75)
    host.submissions.submit(who, "numbers", "final", guess("final", name, 0.1, 0.2), f"by {name}", f"{name}.json")
    lease = host.queue.lease("w")
    assert lease
    scores = [Score.failed("invalid", f"{name!r} is no number"), Score(0.1), Score(0.2)]
    host.queue.finish(lease, Verdict(scores, "judge"))
    item = host.submissions.submit(who, "files", "open", f"written by {name}".encode(), name=f"{name}.txt")
    judged(host, item, Score.failed("invalid", f"written by {name} is no number"))
    chooser = Actor(who.person, who.name, Role.ANNOTATOR, who.team)
    host.comparisons.create(ADMIN, "pets", "Pets")
    host.comparisons.add(ADMIN, "pets", [Item(f"i{k}", f"text {k}", system=f"s{k}") for k in range(4)])
    for _ in range(3):
        pair = host.comparisons.next_pair(chooser, "pets")
        assert pair
        host.comparisons.choose(chooser, pair.id, "first")
    return who


def told(host: Host) -> str:
    """Everything that an organiser can be told."""
    said: list[object] = [host.people.list(ADMIN), host.log(ADMIN), host.queue.view(ADMIN), host.events(0, ADMIN)]
    said += [host.board("numbers", phase, ADMIN) for phase in ("open", "final")]
    said += [host.submissions.list_for(ADMIN), host.near_duplicates("numbers", ADMIN)]
    said += [host.comparisons.standing(ADMIN, "pets"), host.comparisons.preferences(ADMIN, "pets").columns]
    said += [host.comparisons.review(ADMIN, "pets"), host.board("files", "open", ADMIN)]
    return repr(said) + exported(host)


def exported(host: Host) -> str:
    """Everything that leaves the host in a file."""
    return "".join(
        host.exports.text(ADMIN, slug, form) for slug in ("numbers", "files") for form in get_args(Format)
    ) + repr(list(host.comparisons.preferences(ADMIN, "pets").rows()))


def test_a_name_is_nowhere_and_the_record_stands(live: Host, tmp_path: Path) -> None:
    """What somebody wrote into an answer is theirs to take away with `with_submissions`; the rest is gone anyway."""
    zoe = lived(live)
    session = live.people.sign_in(NAME, PASSWORD)
    before = live.board("numbers", "open", ADMIN).rows[0]
    assert NAME in told(live)
    done = live.forgetting.forget(ADMIN, NAME)
    assert (done.submissions, done.choices, done.erased, done.team_renamed) == (3, 3, False, True)
    assert live.people.actor_of(session) is None
    with pytest.raises(NotAllowedError):
        live.people.sign_in(NAME, PASSWORD)
    after = live.board("numbers", "open", ADMIN).rows[0]
    assert (after.value, after.entries, after.submission) == (before.value, 1, before.submission)
    assert after.team_name.startswith("Former team ")
    rows = [repr(live.store.rows(f"SELECT * FROM hosting_{table}")) for table in (
        "people", "teams", "tokens", "log", "events", "pairs", "choices", "contests", "projects")]  # fmt: skip
    assert [way for way in forms(NAME) if way.decode("utf-8", "replace") in " ".join(rows)] == []
    found = live.people.get(zoe.person)
    assert (found.disabled, found.name) == (True, done.pseudonym)
    assert live.comparisons.standing(ADMIN, "pets").answered == 3
    assert not any(way.decode("utf-8", "replace") in exported(live) for way in forms(NAME))
    deed = next(deed for deed in live.log(ADMIN) if deed.action == "forget")
    assert (deed.action, deed.object, deed.detail) == ("forget", zoe.person, {"with_submissions": False})


def test_with_submissions_nothing_is_left_in_any_byte(live: Host, tmp_path: Path) -> None:
    zoe = lived(live)
    done = live.forgetting.forget(ADMIN, zoe.person, with_submissions=True)
    assert (done.submissions, done.choices, done.erased) == (3, 3, True)
    assert not any(way.decode("utf-8", "replace") in told(live) for way in forms(NAME))
    items = live.submissions.list_for(ADMIN)
    assert [(item.state, item.note, item.name) for item in items] == [(State.CANCELLED, "", "")] * 3
    assert live.board("numbers", "open", ADMIN).rows == []
    standing = live.comparisons.standing(ADMIN, "pets")
    assert (standing.answered, standing.annotators) == (0, [])
    with pytest.raises(HostingError, match="erased"):
        live.submissions.retry(ADMIN, items[0].id)
    if done.clean:
        live.close()
        assert [way for way in forms(NAME) if way in all_text(tmp_path)] == []
    again = Host.open(live.ledger.url, files=tmp_path / "files")
    assert len(again.ledger.attempts(again.contests.find("numbers").phases[0].run)) == 3
    person(again, NAME)  # the name is free again
    again.close()


names = st.text(st.characters(categories=["L", "N"], max_codepoint=0x24FF), min_size=9, max_size=30).filter(
    lambda text: len(set(name_key(text))) > 6
)


@cache
def of_somebody_else() -> bytes:
    """A host's files in which somebody else did all that can be done: words in them may be anyone's name."""
    with tempfile.TemporaryDirectory() as folder:
        with Host.open(Path(folder) / "host.db", durable=False, clock=Clock()) as host:
            lived(host)
        return all_text(Path(folder))


@settings(max_examples=12, deadline=None)
@example("informati")  # a part of a word in the data base's own tables
@given(names)
def test_no_name_survives_whatever_its_letters(name: str) -> None:
    assume(not any(way in of_somebody_else() for way in forms(name)))
    with tempfile.TemporaryDirectory() as folder:
        with Host.open(Path(folder) / "host.db", durable=False, clock=Clock()) as host:
            lived(host, name)
            assert any(way in all_text(Path(folder)) for way in forms(name))
            assert host.forgetting.forget(ADMIN, name, with_submissions=True).clean
        assert [way for way in forms(name) if way in all_text(Path(folder))] == []


@pytest.mark.parametrize(
    ("team", "renamed"), [("", True), ("The Reds", False), (f"{NAME} and friends", True), ("zoë  QUILLFEATHER's", True)]
)
def test_a_team_keeps_its_name_unless_it_tells_the_person_s(host: Host, team: str, renamed: bool) -> None:
    zoe = lived(host, team=team)
    person(host, "Ann", team=team or host.people.get(zoe.person).team_name)
    done = host.forgetting.forget(ADMIN, NAME)
    assert done.team_renamed is renamed
    left = {each.team_name for each in host.people.list(ADMIN)}
    assert (left == {"The Reds"}) is not renamed
    assert not any(way.decode("utf-8", "replace") in repr(left) for way in forms(NAME))


def test_what_is_kept_of_somebody_can_be_taken_along(host: Host, tmp_path: Path) -> None:
    zoe, ann = lived(host), person(host, "Ann")
    assert host.forgetting.write(zoe, zoe.person, tmp_path / "zoe.zip") == 3
    with zipfile.ZipFile(tmp_path / "zoe.zip") as archive:
        data = json.loads(archive.read("data.json"))
        answers = [archive.read(f"submissions/{item['id']}") for item in data["submissions"]]
    assert data["person"]["name"] == NAME
    assert [item["score"] for item in data["submissions"]] == [0.5, None, None]  # the sealed one stays sealed
    assert json.loads(answers[0]) == guess("open", 0.5, 0.25, 0.75)
    assert answers[2] == f"written by {NAME}".encode()
    assert [choice["outcome"] for choice in data["choices"]] == ["first"] * 3
    assert {token["kind"] for token in data["tokens"]} == {"invitation", "session", "api"}
    assert PASSWORD not in json.dumps(data)
    with pytest.raises(HostingError, match="a new file"):
        host.forgetting.write(ADMIN, NAME, tmp_path / "zoe.zip")
    with pytest.raises(NotAllowedError):
        host.forgetting.data(ann, NAME)


def test_who_may_forget_whom(host: Host) -> None:
    zoe = lived(host)
    for actor in (zoe, Actor.visitor(), person(host, "Bob", Role.ANNOTATOR)):
        with pytest.raises(NotAllowedError):
            host.forgetting.forget(actor, zoe.person)
    with pytest.raises(NotFoundError):
        host.forgetting.forget(ADMIN, "Nobody")
    with pytest.raises(HostingError, match="own user"):
        host.forgetting.forget(ADMIN, "local")


def test_a_verdict_that_comes_after_forgetting_says_nothing(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    zoe = person(host, NAME)
    host.submissions.submit(zoe, "numbers", "open", NAME.encode())
    lease = host.queue.lease("w")
    assert lease
    host.forgetting.forget(ADMIN, NAME, with_submissions=True)
    late = Verdict([Score.failed("invalid", f"{NAME} is no number")], "judge")
    assert host.queue.finish(lease, late) == "superseded"
    assert host.ledger.verdicts(lease.run, all=True) == []
    assert host.near_duplicates("numbers", ADMIN) == []


def test_a_file_that_another_team_handed_in_too_stays(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    zoe, ann = person(host, NAME), person(host, "Ann")
    items = [host.submissions.submit(actor, "numbers", "open", b"3.5") for actor in (zoe, ann)]
    host.forgetting.forget(ADMIN, NAME, with_submissions=True)
    assert host.submissions.answer(ann, items[1].id) == b"3.5"
    assert host.submissions.answer(ADMIN, items[0].id) == b"null"
