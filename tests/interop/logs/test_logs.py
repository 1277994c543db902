"""Logs of other evaluators: what they say comes out again, and what is broken in them is named and not guessed."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon import Ledger
from guerdon.cli.main import main
from guerdon.core.errors import ConfigError
from guerdon.interop.logs import Imported, import_logs, is_log, open_log
from guerdon.ledger import views

DATA = Path(__file__).parent / "data"
"""Written by lm_eval 0.4.13 and inspect_ai 0.3.285, with a model that answers by rule."""
LM = DATA / "samples_sums_2026-11-26T19-22-46.469447.jsonl"


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def header(**fields: Any) -> dict[str, Any]:
    told = {"task": "sums", "model": "m/one", "dataset": {"samples": 2}, "packages": {"inspect_ai": "0.3.1"}}
    results = {"scores": [{"name": "match", "scorer": "match", "metrics": {"accuracy": {"value": 0.5}}}]}
    return {"version": 2, "status": "success", "eval": told, "results": results, **fields}


def sample(name: Any = 1, value: Any = "C", epoch: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "id": name, "epoch": epoch, "input": f"{name}?", "target": "a key", "scores": {"match": {"value": value}},
        "output": {"completion": f"said {name}"}, **fields,
    }  # fmt: skip


def written(path: Path, *samples: Any, **fields: Any) -> Path:
    path.write_text(json.dumps({**header(**fields), "samples": list(samples)}))
    return path


def zipped(path: Path, *samples: Any, start: bool = False, **fields: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", json.dumps(header(results=None, status="started")))
        for place, each in enumerate(samples):
            archive.writestr(f"samples/{place}.json", each if isinstance(each, str) else json.dumps(each))
        if not start:
            archive.writestr("header.json", json.dumps(header(**fields)))
    return path


def one(path: Path, ledger: Ledger) -> Imported:
    (found,) = import_logs(path, ledger)
    return found


def scores(ledger: Ledger, run: str) -> dict[str, float | None]:
    return {attempt.answer.task: verdict.score.value for attempt, verdict in ledger.judged(run) if verdict}


# ── real logs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_real_log_of_lm_eval_gives_the_same_means(ledger: Ledger) -> None:
    choice, strict, loose = (log for path in sorted(DATA.glob("samples_*")) for log in import_logs(path, ledger))
    assert (choice.task, strict.task, loose.task) == ("choice", "sums, strict", "sums, loose")
    for log in (choice, strict, loose):
        assert (log.samples, log.scored, log.model, log.skipped, log.notes) == (5, 5, "dummy", (), ())
        assert log.compared
        assert all(mean.agrees and mean.said == pytest.approx(0.2) for mean in log.compared)
    best, _ = views.best(ledger, choice.run)[0]
    content = best.answer.content
    assert isinstance(content, dict)
    assert (content["choice"], content["text"]) == (0, " 2")
    assert ledger.tasks("lm-eval:sums, strict")["3"].data == {"prompt": "4+4="}
    assert {attempt.answer.content for attempt, _ in ledger.judged(loose.run)} == {"lol"}


def test_a_real_log_of_inspect_gives_the_same_means(ledger: Ledger) -> None:
    pytest.importorskip("backports.zstd")
    log = one(DATA / "sums.eval", ledger)
    assert (log.samples, log.scored, log.main, log.skipped, log.notes) == (8, 6, "includes", (), ())
    assert [(mean.name, mean.agrees) for mean in log.compared] == [("includes", True), ("none_sometimes", True)]
    assert log.compared[0].found == pytest.approx(2 / 3)
    faults = views.faults(ledger, log.run)
    assert [(each.kind, each.whose, each.count) for each in faults] == [("exception", "host", 2)]
    assert "broken" in str(faults[0].examples)
    entry = views.leaderboard(ledger, "inspect:sums", "log")[0]
    assert (entry.mean, entry.tasks, entry.unknown) == (pytest.approx(2 / 3), 3, 1)


def test_what_should_have_been_said_is_not_recorded(ledger: Ledger, tmp_path: Path) -> None:
    log = one(written(tmp_path / "log.json", sample(1), sample(2, "I")), ledger)
    assert log.compared[0].agrees
    everything = b"".join(
        each.read_bytes() for each in tmp_path.rglob("*") if each.is_file() and each.suffix != ".json"
    )
    assert b"said 1" in everything
    assert b"a key" not in everything


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "score"),
    [
        ("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", 0.0), ("yes", 1.0), ("False", 0.0), ("0.25", 0.25), (True, 1.0),
        (3, 3.0), ("perhaps", None), ("nan", None), (math.nan, None), (math.inf, None), (None, None), (10**400, None),
    ],
)  # fmt: skip
def test_a_value_is_what_inspect_makes_of_it_or_unknown(
    value: Any, score: float | None, ledger: Ledger, tmp_path: Path
) -> None:
    log = one(written(tmp_path / "log.json", sample(1, value)), ledger)
    assert scores(ledger, log.run) == {"1": score}
    assert log.scored == (score is not None)


def test_values_in_an_object_are_parts(ledger: Ledger, tmp_path: Path) -> None:
    told = {"eval": {**header()["eval"], "scorers": [{"name": "match"}]}, "results": {"scores": [
        {"name": "ok", "scorer": "both", "metrics": {"accuracy": {"value": 0.5}, "stderr": {"value": 0.1}}},
        {"name": "long", "scorer": "both", "metrics": {"mean": {"value": 3.0}}},
    ]}}  # fmt: skip
    both = [sample(name, scores={"both": {"value": {"ok": ok, "long": 3}}}) for name, ok in ((1, "C"), (2, "I"))]
    log = one(written(tmp_path / "log.json", *both, **told), ledger)
    assert log.main == "both.ok"
    assert [(mean.name, mean.found, mean.agrees) for mean in log.compared] == [
        ("both.ok", 0.5, True), ("both.long", 3.0, True)]  # fmt: skip
    verdicts = [verdict.score.parts for _, verdict in ledger.judged(log.run) if verdict]
    assert verdicts == [{"both.ok": 1.0, "both.long": 3.0}, {"both.ok": 0.0, "both.long": 3.0}]


def test_epochs_count_once_for_each_question(ledger: Ledger, tmp_path: Path) -> None:
    asked = [sample(1, "C", 1), sample(1, "C", 2), sample(1, "I", 3), sample(2, "I", 1)]
    results = {"scores": [{"name": "match", "scorer": "match", "metrics": {"accuracy": {"value": 1 / 3}}}]}
    log = one(written(tmp_path / "log.json", *asked, results=results), ledger)
    assert log.compared[0].agrees
    assert [row.step for row in ledger.attempts(log.run)] == [0, 1, 2, 0]
    by_mode = {"config": {"epochs": 3, "epochs_reducer": ["mode"]}}
    told = {"eval": {**header()["eval"], **by_mode}}
    (mean,) = one(written(tmp_path / "mode.json", *asked, **told), ledger).compared
    assert (mean.found, mean.agrees, mean.why_not) == (None, None, "epochs were reduced by mode")


def test_a_mean_that_is_not_that_of_the_samples_is_told(ledger: Ledger, tmp_path: Path) -> None:
    (mean,) = one(written(tmp_path / "log.json", sample(1), sample(2)), ledger).compared
    assert (mean.said, mean.found, mean.agrees) == (0.5, 1.0, False)


def test_long_texts_stand_beside_the_messages(ledger: Ledger, tmp_path: Path) -> None:
    given = [
        {"role": "system", "content": "attachment://abc"},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image", "image": "data:..."}]},
    ]
    each = sample(1, input=given, attachments={"abc": "Be brief"}, output={"choices": [
        {"message": {"content": [{"type": "reasoning"}, {"type": "text", "text": "A cat"}]}}]})  # fmt: skip
    log = one(written(tmp_path / "log.json", each), ledger)
    assert ledger.tasks("inspect:sums")["1"].data["prompt"] == [
        {"role": "system", "content": "Be brief"}, {"role": "user", "content": "Look\n[image]"}]  # fmt: skip
    assert ledger.attempts(log.run)[0].answer.content == "[reasoning]\nA cat"


def test_less_is_better_turns_the_score_round(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    lines = [{"doc_id": i, "arguments": [["q", {}]], "filtered_resps": ["a"], "filter": "none", "ter": float(i)}
             for i in (1, 3)]  # fmt: skip
    (folder / "samples_talk.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = {"higher_is_better": {"talk": {"ter": False}},
               "results": {"talk": {"ter,none": 2.0, "ter_stderr,none": 1}},
               "configs": {"talk": {"metric_list": [{"metric": "ter", "aggregation": "mean"}]}}}  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results))
    log = one(folder, ledger)
    assert scores(ledger, log.run) == {"1": -1.0, "3": -3.0}
    assert (log.model, [mean.agrees for mean in log.compared]) == ("model", [True])
    assert any("negatives" in note for note in log.notes)


def test_an_aggregation_that_is_no_mean_is_not_compared(ledger: Ledger, tmp_path: Path) -> None:
    shutil.copy(LM, tmp_path / LM.name)
    results = json.loads((DATA / LM.name.replace("samples_sums", "results").replace(".jsonl", ".json")).read_text())
    results["configs"]["sums"]["metric_list"][0]["aggregation"] = "weighted"
    (tmp_path / "results_2026-11-26T19-22-46.469447.json").write_text(json.dumps(results))
    assert {mean.why_not for log in import_logs(tmp_path / LM.name, ledger) for mean in log.compared} == {
        "it is no mean, but weighted"
    }


# ── again, and by the command ───────────────────────────────────────────────────────────────────────────────────────


def test_importing_twice_changes_nothing(ledger: Ledger) -> None:
    first = import_logs(LM, ledger)
    before = ledger.revision()
    again = import_logs(LM, ledger)
    assert [log.new for log in first + again] == [True, True, False, False]
    assert ledger.revision() == before
    assert [len(ledger.attempts(log.run)) for log in again] == [5, 5]


def test_an_import_that_was_killed_goes_on(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.interop.logs import recording

    monkeypatch.setattr(recording, "BATCH", 2)
    path = written(tmp_path / "log.json", *(sample(i) for i in range(7)))
    real, calls = ledger.record, 0

    def dies(*rows: Any) -> None:
        nonlocal calls
        if (calls := calls + 1) == 3:
            raise KeyboardInterrupt
        real(*rows)

    monkeypatch.setattr(ledger, "record", dies)
    with pytest.raises(KeyboardInterrupt):
        import_logs(path, ledger)
    monkeypatch.undo()
    log = one(path, ledger)
    assert log.new
    assert [row.answer.task for row in ledger.attempts(log.run)] == [str(i) for i in range(7)]
    assert ledger.run(log.run).status == "done"


def test_the_command_tells_the_means_and_what_was_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")

    def guerdon(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([*words])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    written(tmp_path / "log.json", sample(1), {"epoch": 1}, sample(1))
    code, said = guerdon("import", "log.json")
    assert code == 0
    assert "1 answers, 1 with a score (match)" in said
    assert "mean match: the log says 0.5, its samples 1: IT DIFFERS" in said
    assert "skipped sample 1: it has no id, or no epoch from 1 on" in said
    assert "skipped sample 1, epoch 1: it is there a second time" in said
    assert [log["new"] for log in json.loads(guerdon("import", "log.json", "--json")[1])["logs"]] == [False]
    code, said = guerdon("show", "last")
    assert (code, "1 of 2 tasks at the top" in said) == (0, True)
    code, said = guerdon("rejudge", "last")
    assert code == 2
    assert "it came from a log" in said
    (tmp_path / "mine.py").write_text(
        "from guerdon import reward\n\n\n@reward\ndef half(text):\n    return len(text) / 12\n"
    )
    code, said = guerdon("rejudge", "last", "--which", "all", "--reward", "mine.py:half")
    assert (code, "1 attempts" in said) == (0, True)
    with Ledger.open(tmp_path / "guerdon.db") as book:
        run = book.run("last").id
        assert [verdict.score.value for verdict in book.verdicts(run, all=True)] == [1.0, 0.5]
        assert scores(book, run) == {"1": 0.5}


# ── broken ones ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_log_that_was_never_finished_gives_what_is_there(ledger: Ledger, tmp_path: Path) -> None:
    log = one(zipped(tmp_path / "log.eval", sample(1), sample(2, "I"), start=True), ledger)
    assert (log.samples, log.compared, log.skipped) == (2, (), ())
    assert "never finished" in log.notes[0]
    assert ledger.run(log.run).status == "interrupted"


def test_a_zip_without_its_end_gives_what_stands_whole(ledger: Ledger, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "log.eval", *(sample(i) for i in range(5)))
    with zipfile.ZipFile(whole) as archive:
        third = archive.getinfo("samples/3.json").header_offset
    whole.write_bytes(whole.read_bytes()[: third + 40])
    log = one(whole, ledger)
    assert (log.samples, ledger.run(log.run).status) == (3, "interrupted")
    assert "its directory is missing" in log.skipped[0].why


def test_a_sample_that_is_damaged_is_named_and_the_others_count(ledger: Ledger, tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    path = zipped(tmp_path / "log.eval", sample(1), '{"id": 2', deep, sample(3, epoch=0), [1], sample(4, "I"))
    with zipfile.ZipFile(path) as archive:
        last = archive.getinfo("samples/5.json")
    data = bytearray(path.read_bytes())
    data[last.header_offset + 30 + len("samples/5.json") + 5] ^= 0xFF
    path.write_bytes(data)
    log = one(path, ledger)
    assert log.samples == 1
    assert [each.where for each in log.skipped] == [f"samples/{i}.json" for i in range(1, 6)]
    assert "nested too deep" in log.skipped[1].why


def test_a_bomb_in_a_log_is_left_packed(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.interop.logs import log_zip

    monkeypatch.setattr(log_zip, "LINE", 10_000)
    log = one(zipped(tmp_path / "log.eval", sample(1), json.dumps(sample(2, note=" " * 1_000_000))), ledger)
    assert log.samples == 1
    assert "of at most 10,000" in log.skipped[0].why


def test_lines_that_are_cut_off_or_no_samples_are_named(ledger: Ledger, tmp_path: Path) -> None:
    lines = LM.read_bytes().splitlines(keepends=True)[:5]  # the sample of each document for the first filter
    path = tmp_path / "samples_sums.jsonl"
    path.write_bytes(
        lines[0] + b"\n" + b"[1]\n" + b'{"doc_id": 7, "x": "\xff"}\n' + lines[1] + lines[0] + lines[2][:50]
    )
    log = one(path, ledger)
    assert log.samples == 2
    told = {each.where: each.why for each in log.skipped}
    assert told["line 3"] == "it has no doc_id"
    assert "not UTF-8" in told["line 4"]
    assert "second time" in told["sample 0, epoch 1"]
    assert "cut off" in told["line 7"]
    assert "results.json is not beside it" in log.notes[0]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("log.eval", b"", "neither|no file|zip"),
        ("log.eval", b"PK\x03\x04 and no more", "zip"),
        ("log.json", b"{", "cannot be read"),
        ("log.json", b"[]", "no field eval"),
        ("log.json", b'{"eval": 3}', "no field eval"),
        ("samples_a.jsonl", b"", "no line is a sample"),
        ("samples_a.jsonl", b"\xff\xfe\n", "no line is a sample"),
        ("other.jsonl", b"{}\n", "a log of Inspect"),
    ],
)
def test_what_is_no_log_is_refused(name: str, data: bytes, why: str, ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=why):
        import_logs(path, ledger)
    assert ledger.runs() == []


def test_a_log_of_another_version_is_read_as_far_as_it_goes(ledger: Ledger, tmp_path: Path) -> None:
    older = {**sample(1), "score": {"value": "C"}}
    del older["scores"]
    told = {"version": 9, "results": {}, "eval": {"task": "sums"}}
    log = one(written(tmp_path / "log.json", older, {"id": 2}, **told), ledger)
    assert (log.samples, log.scored, log.model) == (2, 1, "unknown")
    assert "version 9" in log.notes[0]


def test_a_missing_package_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError):
        import_logs(DATA / "sums.eval", ledger)


def test_a_bundle_and_results_are_no_logs(tmp_path: Path) -> None:
    assert not is_log(DATA / "nothing")
    (tmp_path / "manifest.json").write_text('{"format": "guerdon-bundle"}')
    shutil.copy(DATA / "results_2026-11-26T19-22-46.469447.json", tmp_path)
    assert not is_log(tmp_path)
    assert is_log(DATA)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "epoch", "eval", "task", "model", "scores", "value", "results", "scorer", "name",
                         "metrics", "input", "output", "choices", "message", "content", "error", "attachments",
                         "dataset", "samples", "headline", "config", "version", "status", "model_usage", "total_time"]),
        inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["version", "status", "results"]), junk, max_size=3), junk,
       st.lists(junk | st.fixed_dictionaries({"id": st.text(max_size=3)}, optional={
           "scores": junk, "output": junk, "input": junk, "error": junk, "epoch": junk, "attachments": junk,
           "model_usage": junk, "total_time": junk}), max_size=4))  # fmt: skip
def test_whatever_stands_in_a_field_nothing_breaks(told: dict[str, Any], evaluated: Any, samples: list[Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "g.db") as book:
        path = Path(folder) / "log.json"
        path.write_text(json.dumps({**told, "eval": {"task": evaluated, "dataset": evaluated}, "samples": samples}))
        log = one(path, book)
        assert log.samples + len(log.skipped) == len(samples)
        assert all(verdict for _, verdict in book.judged(log.run))


@given(st.data())
def test_whatever_bytes_are_damaged_it_is_refused_or_named(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = zipped(Path(folder) / "log.eval", *(sample(i) for i in range(3)))
        raw = bytearray(path.read_bytes())
        places = st.integers(0, len(raw) - 1) | st.integers(1, 120).map(lambda back: len(raw) - back)
        for place in data.draw(st.lists(places, min_size=1, max_size=6)):
            raw[place] = data.draw(st.sampled_from([0, 1, 127, 255]))
        path.write_bytes(raw)
        try:
            (log,) = open_log(path)
        except ConfigError:
            return
        taken = list(log.samples())
        assert len(taken) <= 3
        assert all(sample.answer in {f"said {i}" for i in range(3)} for sample in taken)


def test_a_file_said_to_lie_elsewhere_is_named(ledger: Ledger, tmp_path: Path) -> None:
    path = zipped(tmp_path / "log.eval", sample(1), sample(2))
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"PK\x01\x02", 0, raw.rindex(b"samples/1.json"))
    raw[entry + 20 : entry + 24] = (0xFFFFFFF0).to_bytes(4, "little")  # so many bytes packed
    path.write_bytes(raw)
    log = one(path, ledger)
    assert (log.samples, [each.where for each in log.skipped]) == (1, ["samples/1.json"])
    assert "outside of the file" in log.skipped[0].why
