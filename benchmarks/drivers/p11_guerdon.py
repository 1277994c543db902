"""The board of a contest, from `guerdon serve` over an SQLite file, while teams hand in; and a run that is watched."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from p11_fill import SLUG, fill
from p11_http import Client, free_port, load, own_cpu, quantile, stop, timed, tree_seconds, wait_for
from p11_rows import LATE, late
from p11_watch import watch
from speak import serve

from guerdon.core.score import Score
from guerdon.hosting import Actor, Host, Role, Verdict

STATE = {}
PATH = f"/api/v1/contests/{SLUG}/board?count=100"
PAGE = f"/challenges/{SLUG}"


def prepare(folder, teams, each):
    """Make the data base, start the server, and look at the board once, which reads all of it."""
    path = Path(folder) / "guerdon.db"
    fill(path, teams, each)
    STATE["host"] = Host.open(path)
    for number in range(LATE):
        _hand_in(number, 0.0)
    port = free_port()
    command = [str(Path(sys.executable).with_name("guerdon")), "serve", "--db", str(path), "--port", str(port)]
    STATE["server"] = subprocess.Popen([*command, "--workers", "0"], stdout=subprocess.DEVNULL)
    wait_for(port, STATE["server"])
    STATE["client"], began = Client(port), tree_seconds(STATE["server"].pid)
    while STATE["client"].ask(PATH)[0] == 503:  # it is being read
        time.sleep(0.2)
    rows = read()
    return {"rows": rows, "first_cpu": tree_seconds(STATE["server"].pid) - began, "page": len(_page())}


def read():
    """The first rows of the board."""
    status, body = STATE["client"].ask(PATH)
    if status != 200:
        raise RuntimeError(f"answered with {status}: {body[:300]}")
    return [[row["team"], row["value"]] for row in json.loads(body)["rows"]]


def _page():
    status, body = STATE["client"].ask(PAGE)
    if status != 200:
        raise RuntimeError(f"answered with {status}: {body[:300]}")
    return body


def _hand_in(number, value):
    """A late team hands in; a worker leases it and records its verdict."""
    host, actor = STATE["host"], Actor(f"person-{number}", f"late {number}", Role.ENTRANT, f"late-{number}")
    host.submissions.submit(actor, SLUG, "open", value)
    lease = host.queue.lease("w")
    host.queue.finish(lease, Verdict([Score(value)], "judge"))


def ask(count, turn):
    """Ask the API so often while late teams hand in."""
    return timed(STATE["server"], read, lambda number: _hand_in(number, late(number, turn)), count, LATE)


def ask_page(count, turn):
    """Ask for the page instead; what comes back at last is read from the API."""
    _, used = timed(STATE["server"], _page, lambda number: _hand_in(number, late(number, turn)), count, LATE)
    return read(), used


def hurry(rate, seconds, writes, turn):
    """Requests at a fixed rate while so many verdicts a second come in.

    Returns:
        Quantiles of milliseconds from when a request was due, and how many cores were busy with what.
    """
    over, wrote = threading.Event(), []

    def keep_writing():
        while not over.wait(1 / writes):
            _hand_in(len(wrote) % LATE, late(len(wrote) % LATE, turn))
            wrote.append(1)

    writer = threading.Thread(target=keep_writing)
    before, own, began = tree_seconds(STATE["server"].pid), own_cpu(), time.perf_counter()
    writer.start()
    took, wrong = asyncio.run(load(STATE["client"].port, PATH, rate, seconds))
    wall = time.perf_counter() - began
    over.set()
    writer.join()
    shares = {f"p{name}": quantile(took, share) * 1e3 for name, share in (("50", 0.5), ("95", 0.95), ("99", 0.99))}
    return {
        **shares, "max": max(took) * 1e3, "mean": statistics.fmean(took) * 1e3, "requests": len(took), "wrong": wrong,
        "written": len(wrote), "seconds": wall, "server_cores": (tree_seconds(STATE["server"].pid) - before) / wall,
        "client_cores": (own_cpu() - own) / wall, "load": os.getloadavg()[0],
    }  # fmt: skip


def end():
    """Stop the server."""
    stop(STATE["server"])
    STATE["host"].close()


if __name__ == "__main__":
    operations = {"prepare": prepare, "ask": ask, "ask_page": ask_page, "hurry": hurry, "watch": watch, "end": end}
    serve(operations)
