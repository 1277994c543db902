"""A contest taken elsewhere: the right shape, nothing sealed, nothing that a spreadsheet would run."""

import csv
import io
import json

import pytest
from hosting_helpers import ADMIN, FREE, OneFile, contest, entered, judged, person

from guerdon import Score
from guerdon.hosting import Host, HostingError, NotAllowedError, Phase
from guerdon.hosting.exports import EVALAI, Format
from guerdon.hosting.things import State

EVIL = "=cmd|'/c calc'!A0"


def test_evalai_s_shape(host: Host) -> None:
    contest(host, Phase("dev", "open", limits=FREE), challenge=OneFile())
    ann = person(host, "Ann", team="Red")
    items = [host.submissions.submit(ann, "numbers", "dev", b"1") for _ in range(3)]
    judged(host, items[0], Score(-0.5, {"Errors": 0.5, "Accuracy": 75.0, "low": -0.6, "high": -0.4}))
    judged(host, items[1], Score(0.25, {"speed": 3.0}))
    judged(host, items[2], Score.failed("invalid", "a detail for organisers"))
    one, two, three = json.loads(host.exports.text(ADMIN, "numbers", "evalai"))
    assert one["result"] == [{"open": {"Errors": 0.5, "Accuracy": 75.0}}]
    assert one["submission_result"] == {"Errors": 0.5, "Accuracy": 75.0}
    assert (one["status"], one["participant_team"], one["phase"]) == ("finished", "Red", "dev")
    assert one["submission_metadata"]["submission"] == items[0].id
    assert two["result"] == [{"open": {"score": 0.25, "speed": 3.0}}]
    assert (three["result"], three["submission_result"], three["status"]) == ([], {}, "failed")
    assert "detail for organisers" not in json.dumps(three)
    assert set(EVALAI) == set(State)


@pytest.mark.parametrize("form", ["json", "csv", "evalai"])
def test_a_sealed_phase_is_left_out_until_it_is_revealed(host: Host, form: Format) -> None:
    contest(host, Phase("open", "open", limits=FREE), Phase("final", "final", limits=FREE))
    ann = person(host, "Ann")
    entered(host, ann, "open", 0.5, 0.5, 0.5)
    item = entered(host, ann, "final", 0.8125, 0.8125, 0.8125)
    before = host.exports.text(ADMIN, "numbers", form)
    assert "0.8125" not in before
    assert item.id not in before
    assert "0.5" in before
    assert "0.8125" not in host.exports.text(ADMIN, "numbers", form, "final")
    host.contests.reveal(ADMIN, "numbers", "final")
    assert "0.8125" in host.exports.text(ADMIN, "numbers", form)
    with pytest.raises(NotAllowedError):
        host.exports.text(ann, "numbers", form)
    assert [deed.detail for deed in host.log(ADMIN) if deed.action == "export"] == [{"format": form}] * 3


def test_no_cell_is_a_formula_and_numbers_stay_numbers(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    item = host.submissions.submit(person(host, "Ann", team=EVIL), "numbers", "open", b"1")
    judged(host, item, Score(-0.5, {"@part": 1.0, "b": -2.0}))
    rows = list(csv.DictReader(io.StringIO(host.exports.text(ADMIN, "numbers", "csv"))))
    assert [row["team"] for row in rows] == [f"'{EVIL}"]
    assert (rows[0]["score"], rows[0]["'@part"], rows[0]["b"], rows[0]["final"]) == ("-0.5", "1.0", "-2.0", "no")


def test_a_whole_contest_as_json(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), Phase("final", "final", limits=FREE))
    ann = person(host, "Ann", team="Red")
    entered(host, ann, "open", 0.5, 0.5, 0.5)
    entered(host, ann, "final", 0.5, 0.5, 0.5)
    found = json.loads(host.exports.text(ADMIN, "numbers"))
    assert (found["contest"], found["left_out_until_revealed"]) == ("numbers", ["final"])
    (phase,) = found["phases"]
    assert [(row["team_name"], row["value"], row["rank"]) for row in phase["board"]] == [("Red", 0.5, 1)]
    assert [(row["team"], row["score"], row["state"]) for row in phase["submissions"]] == [("Red", 0.5, "done")]
    assert phase["limits"]["per_day"] is None
    with pytest.raises(HostingError, match="a format for contests"):
        host.exports.text(ADMIN, "numbers", "xml")  # type: ignore[arg-type]
