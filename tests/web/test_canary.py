"""A canary in the labels of a challenge: through its whole life it is found in the labels' file and nowhere else."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("multipart")
from hosting_helpers import ADMIN, FREE
from web_helpers import Browser, signed_in

from guerdon.hosting import Host, Phase, Role
from guerdon.testing.hostile import descendants
from guerdon.web.app import pages
from guerdon.web.settings import Settings

pytestmark = pytest.mark.slow
CANARY = "canary-4f0c9be2"
SECRETS = "labels"
CHALLENGE = '''
"""Boxes of a detector against labels in a file, by a judge that is careless on request."""
import json
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from guerdon import Challenge, Reward, Score, Task, Visibility

LABELS = Path(__file__).parent / "labels" / "labels.json"


@dataclass(frozen=True, kw_only=True)
class Overlap(Reward):
    """The share of labels found; says, writes and raises what it should not, as the file asks."""

    unit: ClassVar = "group"

    def judge(self, cases):
        return [self.one(case, cases) for case in cases]

    def one(self, case, cases):
        ask = json.loads(case.answer.content.read())
        secret, all_of_them = case.key["file"], [each.key["file"] for each in cases]
        if ask == "print":
            print(secret)
            print(secret, file=sys.stderr)
            logging.getLogger("author").error("the key is %s", secret)
        if ask == "raise":
            raise ValueError(f"expected {all_of_them} and {case.key}")
        if ask == "fault":
            return Score.failed("invalid", f"expected {secret}", "solver")
        if ask == "blame":
            return Score.failed("judge", f"expected {secret}", "judge")
        if ask == "slow":
            time.sleep(2)
        return Score(0.5, {"low": 0.25, "high": 0.75})


@dataclass(frozen=True, kw_only=True)
class Boxes(Challenge):
    """One results file for each split."""

    name = "boxes"
    entry = "file"
    splits = {"open": Visibility.OPEN, "test": Visibility.AGGREGATE, "final": Visibility.SEALED}

    @property
    def judge(self):
        return Overlap()

    def entry_problem(self, task, content):
        try:
            json.loads(content.read())
        except ValueError as error:
            return f"line 1: {error}"

    def tasks(self, split):
        return [Task(f"{split}/all", {"images": ["1.png", "2.png"]})]

    def keys(self, tasks):
        found = json.loads(LABELS.read_text())
        return [{"file": found[task.id.split("/")[0]]["file_name"], "boxes": [[1, 2, 3, 4]]} for task in tasks]
'''
ASKS = (b'"fair"', b'"print"', b'"raise"', b'"fault"', b'"blame"', b"[1, 2", b"PK\x03\x04../../etc/passwd", b'"slow"')
_WORKER = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from guerdon.cli.main import main
main(sys.argv[1:])
"""


@contextmanager
def worker(db: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of its own, which writes down all it can."""
    with log.open("wb") as out:
        command = [sys.executable, "-X", "dev", "-c", _WORKER, "worker", "--db", str(db), "--files", f"{db}.files"]
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def wait_for(check: Callable[[], Any]) -> None:
    ends = time.monotonic() + 120
    while not check():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.05)


def of_processes(root: int) -> bytes:
    """What anybody can read of a worker, its child and this process: arguments; and the environment, for its owner."""
    found = []
    for number in (root, os.getpid(), *descendants(root)):
        for name in ("cmdline", "environ", "comm", "status"):
            try:
                found.append(Path(f"/proc/{number}/{name}").read_bytes())
            except OSError:
                continue
    return b"\n".join(found)


def looked_at(host: Host, browsers: dict[str, Browser], tokens: dict[str, str]) -> str:
    """Every page and operation with the names of every thing there is, as everybody sees them; also what is live."""
    from guerdon.web.api import OPERATIONS

    items = host.submissions.list_for(ADMIN)
    runs = [phase.run for phase in host.contests.find("boxes").phases]
    attempts = [name for item in items for name in host.submissions.get(ADMIN, item.id).attempts]
    paths = {page.path for page in pages() if page.get} | {
        f"/api/v1{path}" for how, path, _ in OPERATIONS if how == "GET"
    }
    paths |= {"/challenges/{slug}?phase=test", "/challenges/{slug}?phase=final", "/api/v1/openapi.json"}
    paths |= {f"{path}?phase={name}" for path in list(paths) for name in ("test", "final") if "board" in path}
    found = []
    for path in sorted(paths):
        ids = runs if path.startswith("/runs") else attempts if path.startswith("/attempts") else [i.id for i in items]
        slug = "go-explore" if path.startswith("/systems") else "boxes"
        for address in {path.format(slug=slug, id=each, pair="x", side="first") for each in ids}:
            for name, browser in browsers.items():
                heads = (
                    {"authorization": f"Bearer {tokens[name]}"} if path.startswith("/api/") and name in tokens else {}
                )
                answer = browser.get(address, headers=heads)
                found.append(f"{answer.status_code} {address}\n{answer.headers}\n{answer.text}")
    return "\n".join([*found, *live(host)])


def token_of(host: Host, browser: Browser) -> str:
    actor = host.people.actor_of(browser.http.cookies["__Host-guerdon-session"])
    assert actor is not None
    return host.people.new_api_token(actor, "all", ("read", "organise"))


def live(host: Host) -> list[str]:
    """What a live page has been told from the beginning."""
    return [repr(host.events(0, actor)) for actor in (ADMIN, None)]


def told_by_commands(db: Path, folder: Path, runs: Sequence[str]) -> str:
    """What the commands print and write: lists, exports, a report."""
    found = []
    lines = ["list -l {db}", "contest list --db {db}", "contest list --json --db {db}", "contest log boxes --db {db}",
             "contest close nowhere --db {db}", "contest export boxes --format json -o boxes.json --db {db}",
             "contest export boxes --format csv -o boxes.csv --db {db}"]  # fmt: skip
    for run in runs:
        lines += [f"{verb} -l {{db}}" for verb in (f"show {run}", f"show --json {run}", f"report {run}")]
        lines += [f"export {run} -o {run}.jsonl -l {{db}}"]
    for line in lines:
        command = [sys.executable, "-c", _WORKER, *line.format(db=db).split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
        found += [line, done.stdout, done.stderr]
    return "\n".join(found)


def test_a_label_is_in_its_file_and_nowhere_else(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / SECRETS).mkdir()
    labels = {split: {"file_name": f"{CANARY}-{split}.png"} for split in ("open", "test", "final")}
    (tmp_path / SECRETS / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "boxes.py").write_text(CHALLENGE)
    db, log = tmp_path / "host.db", tmp_path / "worker.log"
    said: dict[str, str | bytes] = {}
    with Host.open(db, files=f"{db}.files") as host:
        ref = f"{tmp_path / 'boxes.py'}:Boxes"
        phases = [Phase(name, name, limits=FREE) for name in ("open", "test", "final")]
        host.contests.create(ADMIN, ref, "boxes", "Boxes", phases, "# Rules", public=True)
        runs = [phase.run for phase in host.contests.find("boxes").phases]
        roles = {"Root": Role.ORGANISER, "Ada": Role.ENTRANT, "Eve": Role.ENTRANT, "Anna": Role.ANNOTATOR}
        browsers = {name: signed_in(host, settings, name, role) for name, role in roles.items()}
        actors = {
            name: host.people.actor_of(each.http.cookies["__Host-guerdon-session"]) for name, each in browsers.items()
        }
        tokens = {name: host.people.new_api_token(actor, "all", ("read", "organise")) for name, actor in actors.items()}  # type: ignore[arg-type]
        browsers["nobody"] = Browser(host, settings)
        answers = []
        for phase in ("open", "test", "final"):
            for place, content in enumerate(ASKS):
                sent = browsers["Ada"].post(
                    f"/challenges/boxes/submit?phase={phase}", files={"file": (f"{place}.json", content)}
                )
                answers.append(f"{sent.status_code} {sent.text}")
        with worker(db, log) as process:
            wait_for(lambda: any(line.state == "leased" for line in host.queue.view(ADMIN).items))
            said["processes"] = of_processes(process.pid)
            wait_for(lambda: host.queue.view(ADMIN).queued + host.queue.view(ADMIN).leased == 0)
            said["processes later"] = of_processes(process.pid)
            said["pages"] = looked_at(host, browsers, tokens)
            said["commands"] = told_by_commands(db, tmp_path, runs)
            browsers["Root"].post("/challenges/boxes/close", {"phase": "open"}, at="/challenges/boxes")
            browsers["Root"].post("/challenges/boxes/reveal", {"phase": "final"}, at="/challenges/boxes?phase=final")
            host.submissions.retry(ADMIN, host.submissions.list_for(ADMIN)[-1].id)
            wait_for(lambda: host.queue.view(ADMIN).queued + host.queue.view(ADMIN).leased == 0)
            said["pages after the reveal"] = looked_at(host, browsers, tokens)
            said["commands after the reveal"] = told_by_commands(db, tmp_path, runs)
        faults = [host.submissions.get(ADMIN, each.id).fault for each in host.submissions.list_for(ADMIN)]
    said["answers"] = "\n".join(answers)
    said["logs"] = caplog.text
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and file.parent.name != SECRETS]
    said |= {f"file {file.name}": file.read_bytes() for file in kept}
    assert sum("[key]" in fault.detail for fault in faults if fault) >= 6  # the judge did try to tell
    assert "Usage:" not in said["commands"]
    assert len(said["commands"]) > 5000
    assert "0.5" in said["pages after the reveal"]
    for where, text in said.items():
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        place = data.find(CANARY.encode())
        assert place < 0, f"{where}: {data[max(place - 200, 0) : place + 60]!r}"
