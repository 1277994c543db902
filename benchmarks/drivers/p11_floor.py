"""The floor: bare uvicorn, which answers each request with the finished bytes of a board."""

import json
import subprocess
import sys
from pathlib import Path

from p11_http import Client, free_port, stop, timed, wait_for
from p11_rows import LATE, board
from speak import serve

STATE = {}
SERVER = """
import sys, uvicorn
body = open(sys.argv[1], "rb").read()
heads = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": heads})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False, lifespan="off")
"""


def prepare(folder, teams, each):
    """Write the bytes, and start the server."""
    STATE["size"] = (teams, each)
    rows = [{"team": team, "value": value, "more": "x" * 150} for team, value in board(teams, each, -2)]
    path, port = Path(folder) / "board.json", free_port()
    path.write_text(json.dumps({"rows": rows}), "utf-8")
    STATE["server"] = subprocess.Popen([sys.executable, "-c", SERVER, str(path), str(port)])
    wait_for(port, STATE["server"])
    STATE["client"] = Client(port)


def ask(count, turn):
    """Ask so often. What comes is not fresh, so what is due is said here."""
    _, used = timed(STATE["server"], lambda: STATE["client"].ask("/"), lambda number: None, count, LATE)
    return board(*STATE["size"], turn), used


def end():
    """Stop the server."""
    stop(STATE["server"])


if __name__ == "__main__":
    serve({"prepare": prepare, "ask": ask, "end": end})
