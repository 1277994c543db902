"""A run into which attempts pour while people watch its page: what the server uses, and how often it says a word."""

import asyncio
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from p11_http import HEAD_END, free_port, length_of, request, status_of, stop, tree_seconds, wait_for

from guerdon import Answer, Score
from guerdon.hosting import Host
from guerdon.ledger import AttemptRow, RunRow, StepRow, VerdictRow, attempt_id, verdict_id

RUN = "watched"
BATCH = 100
PAUSE_S = 0.4
"""How long the page's script waits after word of a change."""
SERVER = (
    "import sys, uvicorn; from guerdon.hosting import Host; from guerdon.web.app import make_app; "
    "from guerdon.web.settings import Settings; path, port = sys.argv[1:]; "
    "pages = make_app(Host.open(path), Settings(streams=64)); "
    "uvicorn.run(pages, port=int(port), log_level='warning', access_log=False)"
)


def watch(folder, viewers, seconds, rate, before=0):
    """So many people watch a run while so many attempts a second come in, after so many before.

    Returns:
        Cores that the server kept busy, attempts that came in, events and pages of one viewer.
    """
    path = Path(folder) / f"watch-{viewers}.db"
    host = Host.open(path, durable=False)
    host.ledger.begin(RunRow(RUN, "numbers", "open", "open", "solver", "judge", 0, {}, {}, status="running"))
    for step in range(before // BATCH):
        _add(host, step)
    port, over = free_port(), threading.Event()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(path), str(port)])
    try:
        wait_for(port, server)
        count = [before // BATCH]
        writer = threading.Thread(target=_pour, args=(host, over, count, rate))
        used, began = tree_seconds(server.pid), time.perf_counter()
        writer.start()
        seen = asyncio.run(_watch(port, viewers, seconds))
        wall = time.perf_counter() - began
        used = tree_seconds(server.pid) - used
        over.set()
        writer.join()
    finally:
        over.set()
        stop(server)
        host.close()
    attempts = count[0] * BATCH - before
    events, pages, late = (sum(each[i] for each in seen) / max(viewers, 1) for i in range(3))
    return {
        "server_cores": used / wall, "attempts_s": attempts / wall, "events": events, "pages": pages,
        "seconds": wall, "shown": late,
    }  # fmt: skip


def _pour(host, over, count, rate):
    began, first = time.perf_counter(), count[0]
    while not over.is_set():
        due = began + (count[0] - first) * BATCH / rate
        if over.wait(max(due - time.perf_counter(), 0)):
            return
        _add(host, count[0])
        count[0] += 1


def _add(host, step):
    answers = [Answer(f"task-{i % 10}", step * BATCH + i) for i in range(BATCH)]
    names = [attempt_id(RUN, step, i, answer) for i, answer in enumerate(answers)]
    attempts = [AttemptRow(name, RUN, step, i, answers[i]) for i, name in enumerate(names)]
    verdicts = [VerdictRow(verdict_id(name, "judge"), name, "judge", Score(i / BATCH)) for i, name in enumerate(names)]
    host.ledger.record(attempts, verdicts, StepRow(RUN, step, 0.1))


async def _watch(port, viewers, seconds):
    if not viewers:
        await asyncio.sleep(seconds)
        return [[0, 0, 0]]
    return await asyncio.gather(*(_viewer(port, seconds) for _ in range(viewers)))


async def _viewer(port, seconds):
    """What a browser does: the page, then its stream, then the page again some time after each word of a change."""
    until = time.perf_counter() + seconds
    page = await _get(port, f"/runs/{RUN}")
    run = re.search(r'data-run="([^"]+)"', page)[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(port, f"/live?run={run}"))
    await reader.readuntil(HEAD_END)
    events, pages, due = 0, 1, None
    while (left := until - time.perf_counter()) > 0:
        wait = left if due is None else max(min(left, due - time.perf_counter()), 0)
        try:
            line = await asyncio.wait_for(reader.readline(), wait + 0.001)
        except TimeoutError:
            line = b""
        if line.startswith(b"event: change"):
            events += 1
            due = due or time.perf_counter() + PAUSE_S
        if due is not None and time.perf_counter() >= due:
            page, due = await _get(port, f"/runs/{RUN}"), None
            pages += 1
    writer.close()
    shown = re.search(r"Attempts[^0-9]*([0-9][0-9,]*)", page)
    return [events, pages, int(shown[1].replace(",", "")) if shown else 0]


async def _get(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(request(port, path))
    head = await reader.readuntil(HEAD_END)
    body = await reader.readexactly(length_of(head))
    writer.close()
    if status_of(head) != 200:
        raise RuntimeError(f"{path} was answered with {status_of(head)}")
    return body.decode()
