"""The best runs of a project, from a trackio server over an SQLite file: its query of a project, in SQL."""

import itertools
import json
import os
import sqlite3
import subprocess
import sys

from p11_http import Client, free_port, stop, timed, wait_for
from p11_rows import LATE, late, scores
from speak import serve

STATE = {}
PROJECT, PAGE = "board", 50_000
SQL = (
    "SELECT run_name, MAX(json_extract(CAST(metrics AS TEXT), '$.score')) AS score FROM metrics "
    "GROUP BY run_name ORDER BY score DESC LIMIT 100"
)
SERVER = "import sys, trackio; trackio.show(open_browser=False, block_thread=True, server_port=int(sys.argv[1]))"


def prepare(folder, teams, each):
    """Make the data base, by trackio itself, and write the scores straight into its table."""
    os.environ.update(TRACKIO_DIR=folder, HOME=folder, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    from trackio.sqlite_storage import SQLiteStorage

    STATE["storage"] = SQLiteStorage
    for number in range(LATE):
        SQLiteStorage.bulk_log(PROJECT, f"late-{number}", [{"score": 0.0}])
    base = sqlite3.connect(SQLiteStorage.get_project_db_path(PROJECT), isolation_level=None)
    base.execute("BEGIN")
    rows = enumerate(scores(teams, each))
    sql = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)"
    while page := list(itertools.islice(rows, PAGE)):
        named = ((n, f"team-{team}", value) for n, (team, value) in page)
        moment = "2027-01-15T08:00:00+00:00"
        base.executemany(sql, [(team, moment, team, n, json.dumps({"score": value})) for n, team, value in named])
    base.execute("COMMIT")
    base.close()
    port = free_port()
    STATE["server"] = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(port, STATE["server"])
    STATE["client"] = Client(port)
    return read()


def read():
    """The first rows of the board."""
    status, body = STATE["client"].ask("/api/query_project", {"project": PROJECT, "query": SQL})
    if status != 200:
        raise RuntimeError(f"answered with {status}: {body[:300]}")
    return [[row["run_name"], row["score"]] for row in json.loads(body)["data"]["rows"]]


def write(number, turn):
    """A late team's new score."""
    STATE["storage"].bulk_log(PROJECT, f"late-{number}", [{"score": late(number, turn)}], steps=[turn + 2])


def ask(count, turn):
    """Ask so often while late teams hand in."""
    return timed(STATE["server"], read, lambda number: write(number, turn), count, LATE)


def end():
    """Stop the server."""
    stop(STATE["server"])


if __name__ == "__main__":
    serve({"prepare": prepare, "ask": ask, "end": end})
