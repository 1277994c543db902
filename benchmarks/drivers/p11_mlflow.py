"""The best runs of an experiment, from an mlflow server over an SQLite file: search_runs ordered by a metric."""

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from p11_http import Client, free_port, stop, timed, wait_for
from p11_rows import LATE, late, scores
from speak import serve

STATE = {}
PAGE = 50_000
ASK = {"experiment_ids": ["0"], "order_by": ["metrics.score DESC"], "max_results": 100}
RUN = (
    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
    "end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
    "VALUES (?, ?, 'LOCAL', '', '', 'bench', 'FINISHED', 1800000000000, 1800000000001, '', 'active', '', 0)"
)
TAG = "INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)"
LATEST = (
    "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
    "VALUES ('score', ?, 1800000000000, 0, 0, ?)"
)
METRIC = (
    "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('score', ?, 1800000000000, 0, 0, ?)"
)


def prepare(folder, teams, each):
    """Make the data base, by mlflow's own migrations, and write the runs straight into its tables."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.environ.update(quiet, HOME=folder)
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    uri = f"sqlite:///{folder}/mlflow.db"
    STATE["store"] = SqlAlchemyStore(uri, f"{folder}/artifacts")
    base = sqlite3.connect(f"{folder}/mlflow.db", isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    rows = itertools.chain(
        ((f"team-{team}", value) for team, value in scores(teams, each)),
        ((f"late-{number}", 0.0) for number in range(LATE)),
    )
    numbered = enumerate(rows)
    while page := list(itertools.islice(numbered, PAGE)):
        base.executemany(RUN, [(f"{n:032x}", name) for n, (name, _) in page])
        base.executemany(TAG, [(name, f"{n:032x}") for n, (name, _) in page])
        base.executemany(LATEST, [(value, f"{n:032x}") for n, (_, value) in page])
        base.executemany(METRIC, [(value, f"{n:032x}") for n, (_, value) in page])
    base.execute("COMMIT")
    base.execute("ANALYZE")  # without it a search takes quadratic time
    base.close()
    STATE["first"] = teams * each
    port = free_port()
    where = ["--backend-store-uri", uri, "--default-artifact-root", f"{folder}/artifacts"]
    command = [str(Path(sys.executable).with_name("mlflow")), "server", *where, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    STATE["server"] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port, STATE["server"])
    STATE["client"] = Client(port)
    return read()


def read():
    """The first rows of the board."""
    status, body = STATE["client"].ask("/api/2.0/mlflow/runs/search", ASK)
    if status != 200:
        raise RuntimeError(f"answered with {status}: {body[:300]}")
    runs = json.loads(body)["runs"]
    return [[run["info"]["run_name"], run["data"]["metrics"][0]["value"]] for run in runs]


def write(number, turn):
    """A late team's new score: the metric of its run is logged again."""
    from mlflow.entities import Metric

    metric = Metric("score", late(number, turn), int(time.time() * 1000), turn + 2)
    STATE["store"].log_metric(f"{STATE['first'] + number:032x}", metric)


def ask(count, turn):
    """Ask so often while late teams hand in."""
    return timed(STATE["server"], read, lambda number: write(number, turn), count, LATE)


def end():
    """Stop the server."""
    stop(STATE["server"])


if __name__ == "__main__":
    serve({"prepare": prepare, "ask": ask, "end": end})
