"""A contest's data base with many judged submissions, written straight into its tables.

Through the queue it would take an hour; what is read afterwards is the same.
"""

import itertools
import sqlite3
from pathlib import Path

from p11_rows import LATE, scores

from guerdon.hosting import Actor, Host, Limits, Phase

HERE = Path(__file__).parent
SLUG, PAGE = "board", 50_000
FREE = Limits(per_day=None, concurrent=None)
ATTEMPT = "INSERT INTO attempts VALUES (?, ?, ?, ?, 0, 'one', ?, 0, '[]', '{}')"
VERDICT = "INSERT INTO verdicts VALUES (?, ?, ?, 'judge', ?, NULL, NULL, '{}', '', 0.001, 'first', 0, 1.8e9)"
SUBMISSION = (
    "INSERT INTO hosting_submissions (seq, id, contest, phase, number, team, person, digest, state, attempts, tries, "
    "counts, size, created, queued, finished, heartbeat) "
    "VALUES (?, ?, ?, 'open', ?, ?, ?, ?, 'done', 1, 1, 1, 8, 1.8e9, 1.8e9, 1.8e9, 1.8e9)"
)
EVENT = "INSERT INTO hosting_events VALUES (?, 'submission', 'board', ?, ?, 1.8e9)"


def fill(path, teams, each):
    """Make a contest in which so many teams have handed in so often."""
    with Host.open(path, durable=False) as host:
        challenge = f"{HERE / 'p11_challenge.py'}:One"
        made = host.contests.create(Actor.local(), challenge, SLUG, "Board", [Phase("open", "open", limits=FREE)])
        run = host.store.rows("SELECT seq FROM runs")[0][0]
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    every = [f"team-{number}" for number in range(teams)] + [f"late-{number}" for number in range(LATE)]
    names = [(number, name, name, name, 1.8e9) for number, name in enumerate(every)]
    base.executemany("INSERT INTO hosting_teams (seq, id, key, name, created) VALUES (? + 1, ?, ?, ?, ?)", names)
    rows = enumerate(scores(teams, each))
    while page := list(itertools.islice(rows, PAGE)):
        _write(base, made.id, run, page)
    base.execute("COMMIT")
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()


def _write(base, contest, run, page):
    base.executemany(ATTEMPT, [(n + 1, f"attempt-{n}", run, n, repr(v)) for n, (_, v) in page])
    base.executemany(VERDICT, [(n + 1, f"verdict-{n}", n + 1, v) for n, (_, v) in page])
    keys = [(n + 1, f"s{n:015x}", contest, n, f"team-{t}", f"person-{t}", f"digest-{n}") for n, (t, _) in page]
    base.executemany(SUBMISSION, keys)
    base.executemany(EVENT, [(n + 100, f"s{n:015x}", f"team-{t}") for n, (t, _) in page])
