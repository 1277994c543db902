import json

import pytest
from benchmarks.common import BenchmarkError, Claim, Plan, Ratio, UnequalError
from benchmarks.meter import Load

from benchmarks import __main__ as program
from benchmarks import record, table


def recorded(**about):
    session = record.Session("p9", Plan(), Load(average=lambda: 0.0))
    fields = {"id": "P9", "claim": "speed", "peer": "peer 1.0", "goal": 5.0, "unit": "ms", "ours": 1.0, "theirs": 6.5}
    claim = Claim(**{**fields, "ratio": Ratio(6.5, 4.2, 7.0), "floor": 0.4, **about})
    return session.record([claim], [{"who": "us", "cpu_ms": 1.0}], {}, cpu_from="cgroup")


def test_the_readme_changes_between_the_marks_only_and_twice_is_once(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# before\n{table.START}\nold\n{table.END}\nafter\n", "utf-8")
    found = [json.loads(json.dumps(recorded()))]
    table.write_readme(readme, found)
    once = readme.read_text("utf-8")
    assert once.startswith(f"# before\n{table.START}\n| ")
    assert once.endswith(f"\n{table.END}\nafter\n")
    assert "old" not in once
    table.write_readme(readme, found)
    assert readme.read_text("utf-8") == once


def test_the_readme_says_below_goal_where_it_is():
    text = table.readme_table([recorded()])
    assert "| P9 | speed | peer 1.0 | ≥ 5× | 6.5× (4.2× to 7.0×) | 4.2×, below goal | 40% | – |" in text
    assert "below goal" not in table.readme_table([recorded(goal=4.0)])
    limit = recorded(peer="", ratio=None, theirs=None, goal=60.0, floor=None)
    assert "| < 60 ms | 1 ms |" in table.readme_table([limit])
    assert "not measured: no such thing" in table.readme_table([recorded(ratio=None, missing="no such thing")])
    assert "23/23 / 4/23" in table.readme_table([recorded(stops="23/23", peer_stops="4/23")])


@pytest.mark.parametrize("text", ["nothing", table.START, f"{table.END}{table.START}", 2 * (table.START + table.END)])
def test_without_marks_nothing_is_written(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text, "utf-8")
    with pytest.raises(BenchmarkError, match="needs the marks"):
        table.write_readme(readme, [recorded()])
    assert readme.read_text("utf-8") == text


def test_the_command_writes_the_table_from_the_records(tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"{table.START}{table.END}", "utf-8")
    results = tmp_path / "results"
    arguments = ["readme", "--readme", str(readme), "--output", str(results)]
    assert program.main(arguments) == 1
    assert "no recorded results" in capsys.readouterr().out
    record.write(recorded(), results)
    assert program.main(arguments) == 0
    assert "peer 1.0" in readme.read_text("utf-8")
    assert [each["benchmark"] for each in record.read_all(results)] == ["p9"]


def test_a_faster_wrong_answer_is_exit_status_1_and_leaves_no_record(tmp_path, capsys, monkeypatch):
    def wrong(plan, load, say):
        raise UnequalError("ours, round 1: got 1, expected 2")

    monkeypatch.setitem(program.BENCHMARKS, "p2", wrong)
    assert program.main(["p2", "--no-peers", "--wait", "0", "--output", str(tmp_path)]) == 1
    assert "expected 2" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_fewer_than_five_rounds_are_refused_where_they_would_be_recorded(capsys):
    with pytest.raises(SystemExit):
        program.main(["p2", "--rounds", "2"])
    assert "at least 5" in capsys.readouterr().err
