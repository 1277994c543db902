"""The queue against a model of it in plain dictionaries, on any order of leases, deaths, cancels and retries."""

import pytest
from hosting_helpers import ADMIN, FREE, Clock, OneFile, contest, guess, person
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from guerdon import Score
from guerdon.hosting import Actor, Host, Lease, NotAllowedError, Phase, State, Verdict


class QueueMachine(RuleBasedStateMachine):
    """Each submission of the model: state, token of the valid lease, deadline, deaths, place in the queue."""

    submissions = Bundle("submissions")
    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.host = Host.open("sqlite://", clock=self.clock)
        contest(self.host, Phase("open", "open", limits=FREE), challenge=OneFile())
        self.model: dict[str, dict[str, object]] = {}
        self.counted: dict[str, float] = {}
        self.place = 0
        self.value = 0

    def teardown(self) -> None:
        self.host.close()

    def tick(self) -> None:
        """Time passes between any two things, so that the order in the queue is that of time."""
        self.clock.now += 0.001

    @rule(target=submissions)
    def submit(self) -> str:
        self.tick()
        item = self.host.submissions.submit(ADMIN, "numbers", "open", b"1")
        self.model[item.id] = {"state": "queued", "token": "", "until": 0.0, "deaths": 0, "queued": self.clock.now}
        return item.id

    def expire(self) -> None:
        for one in self.model.values():
            if one["state"] == "leased" and self.clock.now > float(str(one["until"])):
                one["deaths"] = int(str(one["deaths"])) + 1
                one["state"] = "fault" if one["deaths"] == 2 else "queued"
                one["token"] = ""

    @rule(target=leases)
    def lease(self) -> Lease | None:
        self.tick()
        self.expire()
        waiting = [(one["queued"], name) for name, one in self.model.items() if one["state"] == "queued"]
        found = self.host.queue.lease("w", 10.0)
        if not waiting:
            assert found is None
            return None
        assert found is not None
        assert found.submission == min(waiting)[1]  # type: ignore[type-var]
        self.model[found.submission] |= {"state": "leased", "token": found.token, "until": self.clock.now + 10.0}
        return found

    def valid(self, lease: Lease) -> bool:
        one = self.model[lease.submission]
        return one["state"] == "leased" and one["token"] == lease.token

    @rule(lease=leases)
    def heartbeat(self, lease: Lease | None) -> None:
        if lease is not None:
            assert self.host.queue.heartbeat(lease) == self.valid(lease)
            if self.valid(lease):
                self.model[lease.submission]["until"] = self.clock.now + 10.0

    @rule(lease=leases)
    def finish(self, lease: Lease | None) -> None:
        if lease is None:
            return
        one, valid = self.model[lease.submission], self.valid(lease)
        again = one["token"] == lease.token and one["state"] == "done"
        self.value += 1
        score = 1.0 / (1 + self.value)
        told = self.host.queue.finish(lease, Verdict([Score(score)], f"judge {self.value}"))
        assert told == ("counted" if valid or again else "superseded")
        if valid:
            one["state"] = "done"
        if valid:
            self.counted[lease.submission] = score

    @rule(lease=leases)
    def release(self, lease: Lease | None) -> None:
        if lease is not None:
            valid = self.valid(lease)
            self.host.queue.release(lease)
            if valid:
                self.model[lease.submission] |= {"state": "queued", "token": ""}

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(name=submissions)
    def cancel(self, name: str) -> None:
        self.host.submissions.cancel(ADMIN, name)
        if self.model[name]["state"] != "cancelled":
            self.model[name] |= {"state": "cancelled", "token": ""}

    @rule(name=submissions)
    def retry(self, name: str) -> None:
        self.tick()
        self.host.submissions.retry(ADMIN, name)
        if self.model[name]["state"] != "queued":
            self.model[name] |= {"state": "queued", "token": "", "deaths": 0, "queued": self.clock.now}

    @invariant()
    def the_same(self) -> None:
        if not hasattr(self, "host"):
            return
        found = dict(self.host.store.rows("SELECT id, state FROM hosting_submissions"))
        assert found == {name: one["state"] for name, one in self.model.items()}
        rows = self.host.store.rows(
            "SELECT s.id, v.value FROM hosting_submissions s JOIN attempts a ON a.step = s.number "
            "JOIN verdicts v ON v.attempt = a.seq WHERE v.superseded = 0 ORDER BY v.seq"
        )
        assert dict(rows) == self.counted


QueueMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=30)
TestQueue = QueueMachine.TestCase


def test_a_submission_that_two_workers_did_not_survive_is_set_aside(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    ann = person(host, "Ann")
    item = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    for _ in range(2):
        assert host.queue.lease("w", 10.0)
        clock.now += 11
    assert host.queue.lease("w", 10.0) is None
    seen = host.submissions.get(ann, item.id)
    assert (seen.state, seen.deaths) == (State.FAULT, 2)
    assert host.submissions.retry(ann, item.id).state is State.QUEUED  # it was not the entrant's fault
    assert host.queue.lease("w", 10.0)


def test_a_worker_that_comes_back_too_late_is_superseded(live: Host) -> None:
    contest(live, Phase("open", "open", limits=FREE), challenge=OneFile())
    item = live.submissions.submit(ADMIN, "numbers", "open", b"1")
    zombie = live.queue.lease("zombie", -1.0)
    fresh = live.queue.lease("fresh", 60.0)
    assert zombie
    assert fresh
    assert live.queue.finish(zombie, Verdict([Score(0.1)], "judge")) == "superseded"
    assert live.queue.finish(fresh, Verdict([Score(0.9)], "judge")) == "counted"
    assert live.queue.finish(fresh, Verdict([Score(0.2)], "judge")) == "counted"  # the same answer, lost on its way
    score = live.submissions.get(ADMIN, item.id).score
    assert score is not None
    assert score.value == 0.9
    run = live.contests.find("numbers").phases[0].run
    assert [(v.score.value, v.superseded) for v in live.ledger.verdicts(run, all=True)] == [(0.1, True), (0.9, False)]


def test_a_clock_that_is_set_back_does_not_keep_a_dead_worker_s_lease(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, 2, 3))
    assert host.queue.lease("dead")
    clock.now -= 3600
    assert host.queue.lease("alive")


def test_the_page_of_the_queue(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    ann, bob = person(host, "Ann"), person(host, "Bob")
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    mine = host.submissions.submit(bob, "numbers", "open", guess("open", 1, 2, 3))
    clock.now += 5
    host.queue.lease("node-1:77")
    clock.now += 2
    view = host.queue.view(bob)
    assert (view.queued, view.leased, view.oldest, view.last_sign) == (1, 1, 7.0, 2.0)
    assert [(w.submission, w.team_name, w.worker, w.own, w.may_cancel) for w in view.items] == [
        ("", "", "", False, False),
        (mine.id, "Bob", "", True, True),
    ]
    assert [w.worker for w in host.queue.view(ADMIN).items] == ["node-1:77", ""]
    with pytest.raises(NotAllowedError):
        host.queue.view(Actor.visitor())
