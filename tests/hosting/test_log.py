"""What organisers did is on record, and two who edit at once do not undo each other unseen."""

import threading
from pathlib import Path

import pytest
from hosting_helpers import ADMIN, FREE, contest, entered, guess, person

from guerdon.core.errors import LedgerError
from guerdon.hosting import EditedError, Host, HostingError, NotAllowedError, Phase, Role
from guerdon.hosting.store import HEAD, VERSION_TABLE


def test_who_did_what_and_when(live: Host) -> None:
    contest(live, Phase("open", "open", limits=FREE), Phase("final", "final", limits=FREE))
    ada, ann = person(live, "Ada", Role.ORGANISER), person(live, "Ann")
    item = entered(live, ann, "open", 0.1, 0.2, 0.3)
    live.submissions.cancel(ann, item.id)  # a team's own doing is not an organiser's
    live.submissions.retry(ada, item.id)
    live.submissions.cancel(ada, item.id)
    live.contests.change(ada, "numbers", title="Other")
    live.contests.change_phase(ada, "numbers", "open", limits={"total": 9})
    live.contests.close(ada, "numbers", "open")
    live.contests.close(ada, "numbers", "open")  # twice is once
    live.contests.reveal(ada, "numbers")
    live.people.disable(ada, ann.person)
    told = [(deed.name, deed.action, deed.contest, deed.object) for deed in live.log(ADMIN)[::-1]]
    assert told == [
        ("local", "create", "numbers", ""),
        ("local", "invite", "", ""),
        ("local", "invite", "", ""),
        ("Ada", "retry", "numbers", item.id),
        ("Ada", "cancel", "numbers", item.id),
        ("Ada", "change", "numbers", ""),
        ("Ada", "change phase", "numbers", "open"),
        ("Ada", "close", "numbers", "open"),
        ("Ada", "reveal", "numbers", ""),
        ("Ada", "disable", "", ann.person),
    ]
    log = live.log(ADMIN, "numbers")
    assert [deed.action for deed in log] == [
        "reveal", "close", "change phase", "change", "cancel", "retry", "create"
    ]  # fmt: skip
    assert log[2].detail == {"total": [None, 9]}
    assert log[4].words == "number 1, phase open, state queued"
    assert log[0].detail == {"phases": ["open", "final"]}
    assert [deed.seq for deed in live.log(ADMIN, before=log[0].seq)] == sorted(
        (deed.seq for deed in live.log(ADMIN) if deed.seq < log[0].seq), reverse=True
    )
    with pytest.raises(NotAllowedError):
        live.log(ann)


def test_a_deed_that_failed_is_not_on_record(host: Host) -> None:
    contest(host)
    before = len(host.log(ADMIN))
    for wrong in ({"closes": 1.0, "opens": 2.0}, {"version": 99}, {"limits": {"nothing": 1}}):
        with pytest.raises(HostingError, match=r"version|limit|before"):
            host.contests.change_phase(ADMIN, "numbers", "open", **wrong)  # type: ignore[arg-type]
    assert len(host.log(ADMIN)) == before


def test_only_what_became_different_is_logged_as_changed(host: Host) -> None:
    contest(host)
    for _ in range(2):  # a form hands in every field, touched or not
        host.contests.change(ADMIN, "numbers", title="Other", rules_markdown="", public=False)
    host.contests.change(ADMIN, "numbers", rules_markdown="# New", public=True)
    said = [deed.words for deed in host.log(ADMIN, "numbers") if deed.action == "change"]
    assert said == ["changed public, rules", "changed nothing", "changed title"]


def test_the_second_of_two_who_edit_at_once_is_told(live: Host) -> None:
    contest(live)
    seen = live.contests.get(ADMIN, "numbers").version
    start, said, refused = threading.Barrier(8), list[str](), list[str]()

    def edit(title: str) -> None:
        start.wait()
        try:
            live.contests.change(ADMIN, "numbers", title=title, version=seen)
            said.append(title)
        except EditedError:
            refused.append(title)

    threads = [threading.Thread(target=edit, args=(f"title {k}",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = live.contests.get(ADMIN, "numbers")
    assert ([found.title], len(refused)) == (said, 7)
    assert found.version == seen + 1
    with pytest.raises(EditedError, match=f"version {seen} was changed"):
        live.contests.change_phase(ADMIN, "numbers", "open", closes=None, version=seen)
    assert live.contests.change_phase(ADMIN, "numbers", "open", closes=None, version=seen + 1).version == seen + 2


def test_a_commit_whose_answer_was_lost_is_done_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    contest(host)
    whole = host.ledger.transaction

    def twice(work: object) -> object:
        whole(work)  # type: ignore[arg-type]
        return whole(work)  # type: ignore[arg-type]

    monkeypatch.setattr(host.ledger, "transaction", twice)
    found = host.contests.change(ADMIN, "numbers", title="Once", version=0)
    host.people.invite(ADMIN, Role.ENTRANT)
    assert (found.title, found.version) == ("Once", 1)
    assert [deed.action for deed in host.log(ADMIN)] == ["invite", "change", "create"]


def test_tables_of_the_first_version_are_brought_up(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data base from before the log: what is in it stays, and the log begins."""
    from guerdon.hosting import store

    with monkeypatch.context() as old:
        old.setattr(store, "HEAD", "0001")
        from guerdon.ledger import Ledger

        with Ledger.open(url, files=tmp_path / "files", durable=False) as ledger:
            store.bring_up(ledger)
            assert ledger.query(f"SELECT version_num FROM {VERSION_TABLE}") == [("0001",)]
            with pytest.raises(LedgerError):
                ledger.query("SELECT 1 FROM hosting_log")
            ledger.transaction(
                lambda to: to.exec_driver_sql(
                    "INSERT INTO hosting_contests (id, slug, title, created) VALUES ('c', 'old', 'Old', 0)"
                )
            )
    with Host.open(url, files=tmp_path / "files", durable=False) as host:
        assert host.ledger.query(f"SELECT version_num FROM {VERSION_TABLE}") == [(HEAD,)]
        assert [(each.slug, each.version) for each in host.contests.list(ADMIN)] == [("old", 0)]
        assert host.log(ADMIN) == []
        contest(host)
        host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, 2, 3))
