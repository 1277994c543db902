"""Takes items in as an organiser hands them in: the file in a form, through the whole application, without a socket."""

import asyncio
import json
import re
from pathlib import Path

from p12_rows import items, seal
from speak import serve

from guerdon.hosting import Actor, Host
from guerdon.web.app import make_app

STATE = {}
EDGE = "edge-of-a-part"
ADDRESS = b"127.0.0.1:8000"
PIECE = 1 << 16


def prepare(folder, count):
    """Make the file that comes in."""
    STATE["lines"] = "\n".join(json.dumps(each, ensure_ascii=False) for each in items(count)).encode()
    STATE["folder"] = Path(folder)


def begin():
    """A fresh data base, and the form with its token."""
    for each in STATE["folder"].glob("guerdon.db*"):
        if each.is_file():
            each.unlink()
    STATE["host"] = Host.open(STATE["folder"] / "guerdon.db")
    STATE["app"] = make_app(STATE["host"])
    _, page = asyncio.run(_ask("GET", b"", []))
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page)[1]
    fields = {"csrf": token, "slug": "items", "title": "Items", "question": "Which is better?"}
    parts = [f'--{EDGE}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    file = f'--{EDGE}\r\nContent-Disposition: form-data; name="items"; filename="items.jsonl"\r\n\r\n'
    STATE["body"] = "".join([*parts, file]).encode() + STATE["lines"] + f"\r\n--{EDGE}--\r\n".encode()


def load():
    """Take the items in."""
    kind = f"multipart/form-data; boundary={EDGE}".encode()
    status, page = asyncio.run(_ask("POST", STATE["body"], [(b"content-type", kind)]))
    if status != 303:
        raise RuntimeError(f"the form was answered with {status}: {page[-300:]}")


async def _ask(method, body, headers):
    """One request, its body in the pieces in which a server reads it from a socket."""
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""]
    headers = [(b"host", ADDRESS), (b"content-length", str(len(body)).encode()), *headers]
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": "/compare",
        "raw_path": b"/compare", "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000), "root_path": "",
    }  # fmt: skip
    waiting, found = iter(pieces), {"status": 0, "body": b""}
    left = len(pieces)

    async def receive():
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(waiting, b""), "more_body": left > 0}

    async def send(message):
        found["status"] = message.get("status", found["status"])
        found["body"] += message.get("body", b"")

    await STATE["app"](scope, receive, send)
    return found["status"], found["body"].decode()


def read():
    """What is there, from the data base's own table."""
    host = STATE.pop("host")
    rows = host.store.rows("SELECT id, prompt, content, system FROM hosting_items")
    plain = [(_text(i), _text(p), json.loads(c)["content"], _text(s)) for i, p, c, s in rows]
    view = host.comparisons.standing(Actor.local(), "items")
    if view.items != len(plain):
        raise RuntimeError(f"{view.items} of {len(plain)} items can be compared")
    host.close()
    return seal(dict(zip(("id", "prompt", "content", "system"), row, strict=True)) for row in plain)


def _text(stored):
    return json.loads(stored) if stored[:1] == '"' else stored


if __name__ == "__main__":
    serve({"prepare": prepare, "begin": begin, "load": load, "read": read})
