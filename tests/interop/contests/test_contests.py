import base64
import json
import stat
from pathlib import Path

import pytest

pytest.importorskip("yaml")

from guerdon.bench.check import check
from guerdon.core.challenge import Visibility
from guerdon.core.errors import ConfigError
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case
from guerdon.interop.contest_folder import read_contest
from guerdon.interop.contests import import_contest
from guerdon.interop.foreign import ForeignContest
from guerdon.sandbox import shared
from guerdon.testing.file_makers import PICKLE, zipped

import contest_fixtures as made  # isort: skip


@pytest.fixture(autouse=True, scope="module")
def _close_sandboxes():
    yield
    shared.close()


def scored(contest: ForeignContest, split: str, *contents: object) -> list[Score]:
    (task,) = contest.tasks(split)
    (key,) = contest.keys([task])
    return contest.judge([Case(task, Answer(task.id, content), key) for content in contents])  # type: ignore[arg-type]


def imported(tmp_path: Path, data: bytes, name: str = "out") -> ForeignContest:
    (tmp_path / f"{name}.zip").write_bytes(data)
    import_contest(tmp_path / f"{name}.zip", tmp_path / name)
    return ForeignContest(folder=str(tmp_path / name))


def test_an_evalai_challenge_scores_as_its_own_script_does(tmp_path: Path) -> None:
    contest = imported(tmp_path, made.evalai())
    assert contest.name == "animals-which"
    assert contest.splits == {
        "dev-train-split": Visibility.OPEN, "test-train-split": Visibility.OPEN, "test-test-split": Visibility.SEALED,
    }  # fmt: skip
    perfect = json.dumps(made.TRUTH_DEV)
    half = json.dumps({**made.TRUTH_DEV, "a": "dog", "b": "cat"})
    whole, some, broken, empty, unpickled = scored(
        contest, "dev-train-split", perfect, half, "{", "", {"base64": "gASVHQ=="}
    )
    assert (whole.value, whole.parts) == (100.0, {"Accuracy": 100.0, "Errors": 0.0})
    assert (some.value, some.parts) == (50.0, {"Accuracy": 50.0, "Errors": 2.0})
    assert broken.fault is not None
    assert (broken.fault.kind, broken.fault.whose) == (FaultKind.JUDGE, "judge")
    assert "JSONDecodeError at program/main.py:9" in broken.fault.detail
    assert [each.fault and each.fault.whose for each in (empty, unpickled)] == ["solver", "solver"]
    assert scored(contest, "test-test-split", json.dumps(made.TRUTH_TEST))[0].value == 0.5
    assert scored(contest, "test-train-split", json.dumps(made.TRUTH_TEST))[0].value == 100.0
    split = read_contest(Path(contest.folder)).split("dev-train-split")
    assert split.limits == {"per_day": 5, "per_month": 30, "total": 50, "concurrent": 3}
    assert (split.opens, split.closes) == ("2026-01-01T00:00:00Z", "2026-10-01T23:59:59Z")
    other = read_contest(Path(contest.folder)).split("test-test-split")
    assert (other.opens, other.closes) == ("2126-01-01T00:00:00Z", "2126-10-01T23:59:59Z")
    assert split.file_types == (".json", ".zip")


def test_the_keys_are_their_owners_and_in_no_task(tmp_path: Path) -> None:
    contest = imported(tmp_path, made.evalai())
    key = Path(contest.folder) / "keys" / "dev" / "dev.json"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((Path(contest.folder) / "keys").stat().st_mode) == 0o700
    tasks = [task for split in contest.splits for task in contest.tasks(split)]
    assert "secret" not in repr(tasks)
    assert "secret" not in repr(contest.keys(tasks))
    assert contest.secrets(tasks)


HOSTILE = """
import json, os, socket, subprocess


def tried(what):
    try:
        return what()
    except BaseException as error:
        return type(error).__name__


def reads(path):
    with open(path, "rb") as file:
        return file.read()


def evaluate(test_annotation_file, user_submission_file, phase_codename, **kwargs):
    with open(user_submission_file) as file:
        wish = json.load(file)
    found = {
        "socket": tried(lambda: socket.create_connection(("127.0.0.1", wish["port"]), 2)),
        "shell": tried(lambda: os.system("echo owned > %s/owned" % wish["folder"])),
        "process": tried(lambda: subprocess.run(["/bin/sh", "-c", "true"]).returncode),
        "host": tried(lambda: reads(wish["canary"])),
        "others": [name for root in ("/tmp", "/") for name in tried(lambda: [
            os.path.join(path, name) for path, _, names in os.walk(root) for name in names
            if name in ("dev.json", "test.json", "contest.json")])],
        "write": tried(lambda: open(wish["folder"] + "/owned", "w")),
        "environ": dict(os.environ),
    }
    raise AssertionError(json.dumps(found, default=str))
"""


def test_a_hostile_evaluator_reaches_nothing(tmp_path: Path) -> None:
    import socket

    contest = imported(tmp_path, made.evalai(HOSTILE))
    (tmp_path / "canary").write_text("canary of the host")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        wish = {"port": server.getsockname()[1], "folder": str(tmp_path), "canary": str(tmp_path / "canary")}
        said = contest.explain("dev-train-split", json.dumps(wish))
        (score,) = scored(contest, "dev-train-split", json.dumps(wish))
        with pytest.raises(TimeoutError):
            server.accept()
    found = json.loads(said[said.index("AssertionError: ") + 16 :].splitlines()[0])
    assert found["host"] in ("FileNotFoundError", "PermissionError")
    assert found["write"] in ("FileNotFoundError", "PermissionError")
    assert found["socket"] in ("PermissionError", "OSError", "ConnectionRefusedError")
    assert found["shell"] != 0
    assert isinstance(found["process"], str)
    assert [Path(each).name for each in found["others"]] == ["dev.json"] * len(found["others"])
    assert not (tmp_path / "owned").exists()
    assert score.fault is not None
    assert score.fault.whose == "judge"
    assert "canary" not in score.fault.detail
    assert "secret" not in score.fault.detail


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("import os; os._exit(0)", FaultKind.EXIT),
        ("raise SystemExit(3)", FaultKind.JUDGE),
        ("return None", FaultKind.JUDGE),
        ("return {'result': [{'train_split': {'Accuracy': float('nan')}}]}", FaultKind.JUDGE),
        ("return {'result': [{'train_split': {'Accuracy': 'high'}}]}", FaultKind.JUDGE),
        ("return {'result': [{'another': {'Accuracy': 1.0}}]}", FaultKind.JUDGE),
        ("return {'result': 7}", FaultKind.JUDGE),
    ],
)
def test_an_evaluator_that_gives_no_number_is_a_fault_of_the_judge(tmp_path: Path, body: str, kind: FaultKind) -> None:
    contest = imported(tmp_path, made.evalai(f"def evaluate(*a, **k):\n    {body}\n"))
    (score,) = scored(contest, "dev-train-split", "{}")
    assert score.fault is not None
    assert (score.fault.kind, score.fault.whose) == (kind, "judge")


def test_an_evaluator_that_does_not_end_is_ended(tmp_path: Path) -> None:
    contest = imported(tmp_path, made.evalai("def evaluate(*a, **k):\n    while True: pass\n"))
    path = Path(contest.folder) / "contest.json"
    path.write_text(path.read_text().replace('"wall_s": 120.0', '"wall_s": 0.5'))
    (score,) = scored(contest, "dev-train-split", "{}")
    assert score.fault is not None
    assert (score.fault.kind, score.fault.whose) == (FaultKind.TIMEOUT, "judge")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("remote_evaluation: false", "remote_evaluation: true", "remote_evaluation"),
        ("published: false", "is_docker_based: true", "is_docker_based"),
        ("published: false", "is_static_dataset_code_upload: true", "is_static_dataset_code_upload"),
        ("annotations/test.json", "annotations/none.json", "annotations/none.json"),
        ("dataset_split_id: 2", "dataset_split_id: 9", "what is not there"),
        ("evaluation_script.zip", "elsewhere.zip", "elsewhere.zip"),
        ("codename: dev", "codename: dev\n    is_partial_submission_evaluation_enabled: true", "is_partial"),
    ],
)
def test_what_an_evalai_challenge_needs_besides_is_refused_by_name(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        imported(tmp_path, made.evalai(config=made.EVALAI_CONFIG.replace(old, new)))
    assert not (tmp_path / "out").exists()


def test_imports_that_cannot_be_had_are_refused_and_doubtful_ones_noted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"main.py, line 1: requests talks to the network; .*no_such_module_at_all"):
        imported(tmp_path, made.evalai("import requests\nimport no_such_module_at_all\n" + made.EVALAI_MAIN))
    contest = imported(tmp_path, made.evalai("import pickle\ndef f(x): pickle.load(x)\n" + made.EVALAI_MAIN), "doubt")
    assert read_contest(Path(contest.folder)).notes == (
        "A submission may become code: main.py, line 2: pickle.load unpickles",
    )


def test_a_codabench_bundle_scores_as_its_own_program_does(tmp_path: Path) -> None:
    contest = imported(tmp_path, made.codabench())
    assert contest.splits == {"development": Visibility.OPEN, "final-phase": Visibility.SEALED}
    good = zipped({"labels.csv": b"1.0\n2.0\n34567.25\n"})
    off = zipped({"labels.csv": b"1.0\n4.0\n34567.25\n", "sub/more.txt": b"hello"})
    hostile = zipped({"../../program/score.py": b"print(1)"})
    pickled, empty = zipped({"model.txt": b"x", "labels.csv": PICKLE}), zipped({"x": b""})
    contents = [{"base64": base64.b64encode(data).decode()} for data in (good, off, hostile, pickled, empty)]
    whole, some, slip, gadget, absent = scored(contest, "development", *contents)
    assert whole.value == 0.0
    assert some.value == pytest.approx(-4 / 3)
    assert some.parts == pytest.approx({"mse": 4 / 3, "same": 2 / 3})
    assert [each.fault and each.fault.kind for each in (slip, gadget)] == [FaultKind.INVALID, FaultKind.INVALID]
    assert absent.fault is not None
    assert "FileNotFoundError at program/score.py:7" in absent.fault.detail
    (final,) = scored(contest, "final-phase", contents[0])
    assert final.value == pytest.approx(-(0.0 + 3.0) / 2)
    assert final.parts == {"0.mse": 0.0, "0.same": 1.0, "1.mse": 3.0, "1.same": 0.1}
    assert read_contest(Path(contest.folder)).wall_s == 60.0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version: 2", "version: 1.5", "version"),
        ("codalab/codalab-legacy:py39", "someone/image:1", "docker_image"),
        ("    name: First", "    ingestion_program: ingestion/", "ingestion_program"),
        ("reference_data.zip", "absent.zip", "absent.zip"),
        ("primary_index: 0", "primary_index: 2", "computed from others"),
        ("description: Guess", "queue: mine\ndescription: Guess", "queue"),
        ("tasks: [0]", "tasks: [7]", "tasks \\[7\\]"),
    ],
)
def test_what_a_bundle_needs_besides_is_refused_by_name(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        imported(tmp_path, made.codabench(config=made.CODABENCH_CONFIG.replace(old, new)))


def test_a_bundle_for_code_can_be_taken_for_results(tmp_path: Path) -> None:
    config = made.CODABENCH_CONFIG.replace("    name: First", "    ingestion_program: ingestion/")
    (tmp_path / "x.zip").write_bytes(made.codabench(config=config))
    contest = import_contest(tmp_path / "x.zip", tmp_path / "out", results_only=True)
    assert "Left out: ingestion programs; only results can be handed in" in contest.notes


@pytest.mark.parametrize("command", ["bash run.sh", "python3 score.py; rm -rf /", "./score.py", "python3 -m score"])
def test_a_scoring_program_that_is_not_python_is_refused(tmp_path: Path, command: str) -> None:
    with pytest.raises(ConfigError, match="not by python FILE"):
        imported(tmp_path, made.codabench(command=command))


@pytest.fixture
def frames() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")


@pytest.mark.usefixtures("frames")
def test_kaggle_tables_are_scored_by_usage(tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score

    import_contest(made.kaggle(tmp_path / "k"), tmp_path / "out", metric="accuracy_score", title="Six rows")
    contest = ForeignContest(folder=str(tmp_path / "out"))
    assert contest.splits == {"public": Visibility.OPEN, "private": Visibility.SEALED}
    given = "target,id\n1,6\n1,3\n0,1\n1,2\n0,4\n0,5\n"
    assert scored(contest, "public", given)[0].value == accuracy_score([0, 1], [0, 1])
    assert scored(contest, "private", given)[0].value == pytest.approx(accuracy_score([1, 1, 0], [1, 0, 0]))
    for text, says in [
        ("id,target\n1,0\n", "5 of 6 are missing"), ("id;target\n1;0\n", "semicolon"),
        ("id,target\n1,0\n2,x\n3,0\n4,0\n5,0\n6,0\n", "line 3, column 'target'"),
    ]:  # fmt: skip
        (score,) = scored(contest, "public", text)
        assert score.fault is not None
        assert score.fault.whose == "solver"
        assert says in score.fault.detail
        assert says in str(contest.entry_problem(contest.tasks("public")[0], text))
    assert contest.entry_problem(contest.tasks("public")[0], given) is None


@pytest.mark.usefixtures("frames")
def test_a_metric_of_ones_own_speaks_to_two_audiences(tmp_path: Path) -> None:
    import_contest(made.kaggle(tmp_path / "k", made.KAGGLE_METRIC), tmp_path / "out", higher=False)
    contest = ForeignContest(folder=str(tmp_path / "out"))
    rows = "id,target\n1,0\n2,1\n3,{}\n4,1\n5,0\n6,0\n"
    fine, told, untold = scored(contest, "public", rows.format(0.5), rows.format(2), rows.format(-1))
    assert fine.value == pytest.approx(-0.25)
    assert told.fault is not None
    assert (told.fault.whose, told.fault.detail) == ("solver", "targets are at most 1")
    assert told.parts == {"for_entrant": 1.0}
    assert untold.fault is not None
    assert untold.fault.whose == "judge"
    assert "ValueError at program/metric.py:16" in untold.fault.detail
    assert "secret" not in untold.fault.detail
    assert "the secret is [0, 1]" in contest.explain("public", rows.format(-1))


@pytest.mark.usefixtures("frames")
@pytest.mark.parametrize(
    ("solution", "sample", "says"),
    [
        (made.SOLUTION.replace("Private", "Secret", 1), made.SAMPLE, "line 3 has 'secret'"),
        (made.SOLUTION + "7,1,Public\n", made.SAMPLE, "line 8 has '7'"),
        (made.SOLUTION, made.SAMPLE.replace("target", "guess"), "there is no 'guess'"),
        (made.SOLUTION, made.SAMPLE + "6,0\n", "line 8 has '6', as line 7"),
    ],
)
def test_kaggle_tables_that_do_not_fit_are_refused(tmp_path: Path, solution: str, sample: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        import_contest(made.kaggle(tmp_path / "k", "", solution, sample), tmp_path / "out", metric="accuracy_score")


@pytest.mark.usefixtures("frames")
def test_a_metric_is_named_or_brought(tmp_path: Path) -> None:
    folder = made.kaggle(tmp_path / "k")
    with pytest.raises(ConfigError, match="Did you mean accuracy_score"):
        import_contest(folder, tmp_path / "out", metric="acuracy_score")
    with pytest.raises(ConfigError, match="Name one with --metric"):
        import_contest(folder, tmp_path / "out")


@pytest.mark.usefixtures("frames")
@pytest.mark.parametrize("which", ["evalai", "codabench", "accuracy_score", "mean_absolute_error", "log_loss"])
def test_an_imported_contest_passes_the_self_check(tmp_path: Path, which: str) -> None:
    if which in ("evalai", "codabench"):
        contest = imported(tmp_path, getattr(made, which)())
    else:
        import_contest(made.kaggle(tmp_path / "k"), tmp_path / "out", metric=which)
        contest = ForeignContest(folder=str(tmp_path / "out"))
    for split in contest.splits:
        findings = list(check(contest, split, on_step=lambda step: None))
        assert [finding for finding in findings if finding.ok is False] == []


def test_a_file_that_is_no_contest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped({"a.txt": b"1"}))
    (tmp_path / "slip.zip").write_bytes(zipped({"../challenge_config.yaml": b"1"}))
    (tmp_path / "bad.zip").write_bytes(zipped({"competition.yaml": b"a: [1"}))
    for name, says in (("x", "has none"), ("slip", "plain relative"), ("bad", "is YAML"), ("none", "not there")):
        with pytest.raises(ConfigError, match=says):
            import_contest(tmp_path / f"{name}.zip", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "good.zip").write_bytes(made.evalai())
    with pytest.raises(ConfigError, match="new or empty"):
        import_contest(tmp_path / "good.zip", tmp_path / "full")


def test_a_folder_within_a_zip_is_found(tmp_path: Path) -> None:
    from guerdon.hosting.files import read_zip

    archive = read_zip(made.evalai())
    data = zipped({f"contest-main/{name}": archive.read(name) for name in archive})
    assert imported(tmp_path, data).name == "animals-which"


def test_times_that_cannot_be_read_are_noted(tmp_path: Path) -> None:
    contest = imported(tmp_path, made.codabench())
    found = read_contest(Path(contest.folder))
    times = [(split.opens, split.closes) for split in found.splits]
    assert times == [("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), ("2126-02-01T00:00:00Z", "")]
    assert "Not taken over: end of phase 'Final phase', 'some day' is no time" in found.notes
