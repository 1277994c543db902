"""Small contests in the formats of others, written here."""

import json
from pathlib import Path

from guerdon.testing.file_makers import zipped

TRUTH_DEV = {"a": "cat", "b": "dog", "c": "cat", "d": "owl-dev-secret"}
TRUTH_TEST = {"a": "dog", "b": "dog", "c": "fox", "d": "owl-test-secret"}
EVALAI_MAIN = """
import json


def evaluate(test_annotation_file, user_submission_file, phase_codename, **kwargs):
    with open(test_annotation_file) as file:
        truth = json.load(file)
    with open(user_submission_file) as file:
        given = json.load(file)
    right = sum(given[key] == value for key, value in truth.items())
    kwargs["submission_metadata"]
    result = {"Accuracy": 100 * right / len(truth), "Errors": len(truth) - right}
    if phase_codename == "dev":
        return {"result": [{"train_split": result}], "submission_result": result}
    return {"result": [{"train_split": result}, {"test_split": {**result, "Accuracy": 0.5}}]}
"""
EVALAI_CONFIG = """
title: "Animals: which?"
short_description: "Name the animal"
description: "templates/description.html"
evaluation_script: "evaluation_script.zip"
remote_evaluation: false
start_date: 2026-01-01 00:00:00
published: false
leaderboard:
  - id: 1
    schema: {
      "labels": ["Errors", "Accuracy"],
      "default_order_by": "Accuracy",
      "metadata": {"Accuracy": {"sort_ascending": false, "description": "share"}, "Errors": {"sort_ascending": true}}
    }
challenge_phases:
  - id: 1
    name: Dev Phase
    is_public: true
    start_date: 2026-01-01 00:00:00
    end_date: 2026-10-01 23:59:59
    test_annotation_file: annotations/dev.json
    codename: dev
    max_submissions_per_day: 5
    max_submissions_per_month: 30
    max_submissions: 50
    max_concurrent_submissions_allowed: 3
    allowed_submission_file_types: ".json, .zip"
  - id: 2
    name: Test Phase
    test_annotation_file: annotations/test.json
    codename: test
    start_date: "2126-01-01T01:00:00+01:00"
    end_date: 2126-10-01 23:59:59
    max_submissions_per_day: 1
dataset_splits:
  - {id: 1, name: Train Split, codename: train_split}
  - {id: 2, name: Test Split, codename: test_split}
challenge_phase_splits:
  - challenge_phase_id: 1
    leaderboard_id: 1
    dataset_split_id: 1
    visibility: 3
    is_leaderboard_order_descending: true
  - {challenge_phase_id: 2, leaderboard_id: 1, dataset_split_id: 1, visibility: 3}
  - {challenge_phase_id: 2, leaderboard_id: 1, dataset_split_id: 2, visibility: 1}
"""


def evalai(main: str = EVALAI_MAIN, config: str = EVALAI_CONFIG, more: dict[str, bytes] | None = None) -> bytes:
    script = zipped({"__init__.py": b"from .main import evaluate\n", "main.py": main.encode()})
    return zipped(
        {
            "challenge_config.yaml": config.encode(),
            "evaluation_script.zip": script,
            "annotations/dev.json": json.dumps(TRUTH_DEV).encode(),
            "annotations/test.json": json.dumps(TRUTH_TEST).encode(),
            "templates/description.html": b"<h1>Animals</h1>",
            **(more or {}),
        }
    )


CODABENCH_SCORE = """
import json, os, sys

import numpy as np

reference = np.loadtxt(os.path.join(sys.argv[1], "ref", "labels.csv"), delimiter=",")
given = np.loadtxt(os.path.join("/app/input/res", "labels.csv"), delimiter=",")
assert os.getcwd().endswith("program")
scores = {"mse": float(((reference - given) ** 2).mean()), "same": float((reference == given).mean())}
with open(os.path.join(sys.argv[2], "scores.json"), "w") as file:
    file.write(json.dumps(scores))
print("scored")
"""
CODABENCH_TEXT = """
import sys
with open(sys.argv[1] + "/res/labels.csv") as file:
    lines = len(file.readlines())
with open(sys.argv[2] + "/scores.txt", "w") as file:
    file.write("mse: %f\\nsame: 1e-1\\nnothing here\\n" % lines)
sys.exit(0)
"""
CODABENCH_CONFIG = """
version: 2
title: Numbers
description: Guess the numbers
image: logo.png
terms: terms.md
docker_image: codalab/codalab-legacy:py39
pages:
  - {title: Overview, file: overview.md}
tasks:
  - index: 0
    name: First
    scoring_program: scoring_program/
    reference_data: reference_data.zip
  - index: 1
    name: Second
    scoring_program: scoring_text.zip
phases:
  - index: 0
    name: Development
    start: 2026-01-01
    end: 2026-02-01
    max_submissions_per_day: 5
    max_submissions: 100
    execution_time_limit: 60
    tasks: [0]
  - index: 1
    name: Final phase
    start: 2126-02-01T00:00:00Z
    end: some day
    hide_score_output: True
    tasks: [0, 1]
leaderboards:
  - index: 0
    title: Results
    key: main
    columns:
      - {index: 1, title: Same, key: same, sorting: desc}
      - {index: 0, title: Error, key: mse, sorting: asc}
      - {index: 2, title: Mean, key: mean, computation: avg, computation_indexes: [0, 1]}
    primary_index: 0
"""


def codabench(score: str = CODABENCH_SCORE, config: str = CODABENCH_CONFIG, command: str = "") -> bytes:
    command = command or "python3 /app/program/score.py /app/input/ /app/output/"
    text = {"metadata": b"command: python $program/score.py $input $output\n", "score.py": CODABENCH_TEXT.encode()}
    return zipped(
        {
            "competition.yaml": config.encode(),
            "scoring_program/metadata.yaml": f"command: {command!r}\n".encode(),
            "scoring_program/score.py": score.encode(),
            "reference_data.zip": zipped({"labels.csv": b"1.0\n2.0\n34567.25\n"}),
            "scoring_text.zip": zipped(text),
            "terms.md": b"Be fair.",
            "overview.md": b"Numbers.",
        }
    )


SOLUTION = "id,target,Usage\n1,0,Public\n2,1,Private\n3,1,Public\n4,1,Private\n5,0,Private\n6,1,Ignored\n"
SAMPLE = "id,target\n1,0\n2,0\n3,0\n4,0\n5,0\n6,0\n"
KAGGLE_METRIC = '''
import pandas as pd


class ParticipantVisibleError(Exception):
    pass


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    """Mean absolute error of the targets."""
    assert "Usage" not in solution.columns
    assert list(solution[row_id_column_name]) == list(submission[row_id_column_name])
    if submission["target"].max() > 1:
        raise ParticipantVisibleError("targets are at most 1")
    if submission["target"].min() < 0:
        raise ValueError("the secret is " + str(solution["target"].tolist()))
    return (solution["target"] - submission["target"]).abs().mean()
'''


def kaggle(folder: Path, metric: str = "", solution: str = SOLUTION, sample: str = SAMPLE) -> Path:
    folder.mkdir()
    (folder / "solution.csv").write_text(solution)
    (folder / "sample_submission.csv").write_text(sample)
    if metric:
        (folder / "metric.py").write_text(metric)
    return folder
