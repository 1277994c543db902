"""A client that costs little, what a server has used, and a load that does not wait for answers."""

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.meter import tree_seconds as tree_seconds

HEAD_END = b"\r\n\r\n"
IDLE_S = 3.0


class Client:
    """One connection that is kept."""

    def __init__(self, port):
        self.port, self._used = port, 0.0

    def _connect(self):
        """Anew after a pause, since servers hang up on connections that nobody uses."""
        if time.monotonic() - self._used > IDLE_S:
            self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=300)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._left = b""
        self._used = time.monotonic()

    def ask(self, path, body=None):
        """The status and body of an answer with a length or in chunks."""
        self._connect()
        self._socket.sendall(request(self.port, path, body))
        while HEAD_END not in self._left:
            self._more()
        head, _, self._left = self._left.partition(HEAD_END)
        return status_of(head), self._chunks() if b"chunked" in head.lower() else self._take(length_of(head))

    def _more(self):
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("the server hung up")
        self._left += piece

    def _take(self, size):
        while len(self._left) < size:
            self._more()
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def _chunks(self):
        found = b""
        while True:
            while b"\r\n" not in self._left:
                self._more()
            size, _, self._left = self._left.partition(b"\r\n")
            piece = self._take(int(size, 16) + 2)[:-2]
            found += piece
            if not piece:
                return found


def request(port, path, body=None):
    """A request as bytes."""
    if body is None:
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    data = json.dumps(body).encode()
    kind = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{kind}".encode() + data


def status_of(head):
    """The status in an answer's head."""
    return int(head[9:12])


def length_of(head):
    """The length of the body that follows a head."""
    lines = (line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
    return next((int(value) for name, value in lines if name == b"content-length"), 0)


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port, process, seconds=120.0):
    """Wait until a server listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server does not listen")


def stop(process):
    """End a server, by its group."""
    process.terminate()
    try:
        process.wait(10)
    except Exception:  # noqa: BLE001  # whatever it is waiting for
        process.kill()
        process.wait()


def timed(process, ask, write, count, writes):
    """Ask so often, with the writes spread over the requests; returns the last answer and what the server used."""
    before, began = tree_seconds(process.pid), time.perf_counter()
    done, wrote, found = 0, 0.0, None
    for number in range(count):
        while done < writes * (number + 1) // count:
            paused = time.perf_counter()
            write(done)
            wrote += time.perf_counter() - paused
            done += 1
        found = ask()
    return found, {"cpu": tree_seconds(process.pid) - before, "wall": time.perf_counter() - began - wrote}


def quantile(values, share):
    """The value below which this share lies, by nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


async def load(port, path, rate, seconds, connections=32):
    """Ask at fixed moments, however long answers take.

    Returns:
        Seconds from the moment a request was due to the end of its answer; and how many were not answered with 200.
    """
    free = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
    took, wrong, tasks = [], 0, []
    ask, start = request(port, path), time.perf_counter() + 0.05

    async def one(due):
        nonlocal wrong
        reader, writer = await free.get()
        writer.write(ask)
        head = await reader.readuntil(HEAD_END)
        await reader.readexactly(length_of(head))
        took.append(time.perf_counter() - due)
        wrong += status_of(head) != 200
        free.put_nowait((reader, writer))

    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait()[1].close()
    return took, wrong


def own_cpu():
    """What this process has used."""
    times = os.times()
    return times.user + times.system
