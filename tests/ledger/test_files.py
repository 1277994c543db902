"""What a ledger file can suffer: each is waited for, or refused with the fix."""

import errno
import gc
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from guerdon.core.errors import LedgerError
from guerdon.core.plain import Blob
from guerdon.ledger import Ledger, StepRow, opened
from guerdon.ledger.places import Place, data_folder, file_system, refuse_network
from guerdon.testing.ledger import make_attempts, make_run, make_verdict, write_history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guerdon.db"


@pytest.fixture
def filled(path: Path) -> Path:
    with Ledger.open(path) as ledger:
        write_history(ledger)
    return path


def refused(path: Path | str, match: str, **options: object) -> None:
    with pytest.raises(LedgerError, match=match) as caught:
        Ledger.open(path, **options)  # type: ignore[arg-type]
    assert caught.value.do, "the message says what to do"


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder.*guerdon.db")


def test_a_missing_folder(tmp_path: Path) -> None:
    refused(tmp_path / "no" / "guerdon.db", "mkdir -p")


def test_a_missing_file_that_must_exist(filled: Path) -> None:
    refused(filled.with_name("guerdom.db"), "there is no .*guerdom.db.*guerdon.db", create=False)
    assert not filled.with_name("guerdom.db").exists()


def test_an_empty_file_is_a_new_ledger(path: Path) -> None:
    path.touch()
    with Ledger.open(path) as ledger:
        assert ledger.runs() == []


def test_an_empty_file_is_no_existing_ledger(path: Path) -> None:
    path.touch()
    refused(path, "has none", create=False)


@pytest.mark.parametrize("content", [b"x", b"hello, world\n" * 100, b"PK\x03\x04" + bytes(5000), b"\x00" * 4096])
def test_not_a_data_base(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "is not a data base")
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [10, 16, 60, 99, 100, 4096, -1])
def test_cut_off(filled: Path, size: int) -> None:
    data = filled.read_bytes()
    filled.write_bytes(data[:size])
    refused(filled, "cut off|whole data base|damaged")


def test_damaged_pages_are_found_after_an_unclean_end(filled: Path) -> None:
    data = bytearray(filled.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = os.urandom(200)
    filled.write_bytes(data)
    filled.with_name("guerdon.db-wal").write_bytes(b"left behind")
    refused(filled, "damaged")


def test_another_programs_data_base(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE studies (id INTEGER)")
    other.close()
    refused(path, "another program")
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("studies",)]
    other.close()


def test_a_missing_log_is_noticed(path: Path) -> None:
    """A killed writer leaves -wal and -shm; whoever deletes the first has deleted attempts."""
    code = f"""
import os
from guerdon.ledger import Ledger
from guerdon.testing.ledger import write_history
ledger = Ledger.open({str(path)!r})
write_history(ledger)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    log = path.with_name("guerdon.db-wal")
    kept = log.read_bytes()
    log.unlink()
    refused(path, "write-ahead log.*Put guerdon.db-wal back")
    log.write_bytes(kept)
    with Ledger.open(path) as ledger:
        assert len(ledger.attempts()) == 36


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file(filled: Path) -> None:
    filled.chmod(0o444)
    refused(filled, "read-only.*chmod")


def test_a_read_only_file_of_somebody_else(filled: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    code = f"""
from guerdon.core.errors import LedgerError
from guerdon.ledger import Ledger
import os
os.setgid(65534); os.setuid(65534)
try:
    Ledger.open({str(filled)!r})
except LedgerError as error:
    print(error)
"""
    for parent in filled.parents[:-1]:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    filled.chmod(0o444)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "read-only" in done.stdout
    assert "chmod" in done.stdout


def test_deleted_while_open(filled: Path) -> None:
    with Ledger.open(filled) as ledger:
        filled.unlink()
        with pytest.raises(LedgerError, match="deleted or replaced"):
            ledger.attempt(make_attempts())


def test_replaced_while_open(filled: Path) -> None:
    with Ledger.open(filled) as ledger:
        filled.rename(filled.with_name("moved.db"))
        filled.write_bytes(b"")
        with pytest.raises(LedgerError, match="deleted or replaced"):
            ledger.attempt(make_attempts())


def test_log_deleted_while_open(filled: Path) -> None:
    with Ledger.open(filled) as ledger:
        ledger.attempt(make_attempts(step=50))
        filled.with_name("guerdon.db-wal").unlink()
        with pytest.raises(LedgerError, match="-wal was deleted"):
            ledger.attempt(make_attempts(step=51))


@pytest.fixture
def blocker(filled: Path) -> Iterator[sqlite3.Connection]:
    other = sqlite3.connect(filled, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_locked_too_long(filled: Path, blocker: sqlite3.Connection) -> None:
    with Ledger.open(filled, patience=0.3) as ledger:
        with pytest.raises(LedgerError, match=rf"process {os.getpid()}\).*locked for 0.3 s.*nothing was written"):
            ledger.attempt(make_attempts(step=50))
        blocker.execute("ROLLBACK")
        ledger.attempt(make_attempts(step=50))
        assert len(ledger.attempts(step=50)) == 3


def test_locked_for_a_while(filled: Path, blocker: sqlite3.Connection) -> None:
    with Ledger.open(filled, patience=20) as ledger:
        timer = threading.Timer(0.3, lambda: blocker.execute("ROLLBACK"))
        timer.start()
        ledger.attempt(make_attempts(step=50))
        timer.join()
        assert len(ledger.attempts(step=50)) == 3


def write_until_full(ledger: Ledger) -> None:
    for step in range(50, 250):
        rows = make_attempts(step=step, count=20)
        ledger.record(rows, [make_verdict(row.id, 1.0) for row in rows], StepRow("r", step, 1.0))


def test_disk_full(filled: Path) -> None:
    """SQLite says FULL at its page limit as it does at the disk's."""
    with Ledger.open(filled) as ledger:
        before = ledger.attempts()
        limit = ledger.query("PRAGMA page_count")[0][0] + 10
        ledger.query(f"PRAGMA max_page_count = {limit}")
        with pytest.raises(LedgerError, match=r"disk is full.*nothing was written in part"):
            write_until_full(ledger)
        last = max(row.step for row in ledger.steps("r"))
        assert len(ledger.attempts()) == len(before) + 20 * (last - 49)
        ledger.query("PRAGMA max_page_count = 1000000")
        ledger.attempt(make_attempts(step=999))
        assert len(ledger.attempts(step=999)) == 3


def test_disk_full_for_real(tmp_path: Path) -> None:
    """A limit on the size of files fails writes of the log as a full disk does."""
    code = f"""
import resource, signal
from guerdon.core.errors import LedgerError
from guerdon.ledger import Ledger
from guerdon.testing.ledger import make_attempts, make_run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Ledger.open({str(tmp_path / "guerdon.db")!r}) as ledger:
    ledger.begin(make_run())
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    step = 0
    try:
        while True:
            ledger.attempt(make_attempts(step=step, count=50))
            step += 1
    except LedgerError as error:
        print(step, error)
    try:
        ledger.blobs.put(bytes(500_000))
    except LedgerError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert len(ledger.attempts()) == 50 * step
    ledger.attempt(make_attempts(step=step, count=50))
    assert len(ledger.attempts()) == 50 * step + 50
    assert not [p for p in ledger.folder.rglob("*") if p.is_file() and p.stat().st_size > 100]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "nothing was written in part" in done.stdout.splitlines()[0]
    assert "File too large" in done.stdout.splitlines()[1]


def test_out_of_descriptors(filled: Path) -> None:
    code = f"""
import os, resource
from guerdon.core.errors import LedgerError
from guerdon.ledger import Ledger
from guerdon.testing.ledger import make_attempts
ledger = Ledger.open({str(filled)!r}, patience=0.2)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
ledger.attempt(make_attempts(step=50))
try:
    ledger.blobs.put(b"x")
except LedgerError as error:
    print(error)
try:
    Ledger.open({str(filled)!r}, patience=0.2)
except (LedgerError, OSError) as error:
    print(type(error).__name__, error)
for fd in held:
    os.close(fd)
ledger.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "ulimit -n" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1].startswith("LedgerError")


MOUNTS = """\
22 1 0:20 / / rw - ext4 /dev/sda rw
23 22 0:21 / /home rw - nfs4 server:/home rw
24 22 0:22 / /mnt/win\\040share rw - cifs //server/share rw
25 22 0:23 / /run/9 rw - 9p hostshare rw
26 23 0:24 / /home/local rw - xfs /dev/sdb rw
"""


def test_network_file_systems_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for where in ("/home/me/guerdon.db", "/mnt/win share/guerdon.db"):
        with pytest.raises(LedgerError, match=r"locks do not hold.*postgresql://"):
            refuse_network(Path(where), MOUNTS)
    refuse_network(Path("/home/local/guerdon.db"), MOUNTS)
    refuse_network(Path("/homes/guerdon.db"), MOUNTS)
    assert capsys.readouterr().err == ""
    refuse_network(Path("/run/9/guerdon.db"), MOUNTS)
    assert "one machine at a time" in capsys.readouterr().err
    assert file_system(Path("/proc/self")) == "proc"


@pytest.mark.parametrize(
    "name", ["with space.db", "per%20cent.db", "quest?ion#.db", "Ünïcødé 🎉.db", "n" * 244 + ".db", "bytes\udcff.db"]
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with Ledger.open(path) as ledger:
        ledger.begin(make_run())
        assert ledger.blobs.get(ledger.blobs.put(b"x")) == b"x"
        with ledger.lock("r"):
            pass
        again = ledger.url
    assert path.is_file()
    with Ledger.open(again) as ledger:
        assert len(ledger.runs()) == 1


def test_a_name_too_long(tmp_path: Path) -> None:
    refused(tmp_path / f"{'n' * 245}.db", "at most 247 bytes")


def test_a_relative_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///here.db") as ledger:
        monkeypatch.chdir("/")
        ledger.begin(make_run())
        assert ledger.folder == tmp_path / "here.db.files"
    assert (tmp_path / "here.db").is_file()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite//x", "http://[", "postgresql+asyncpg2:////:::"])
def test_other_urls_are_refused(url: str) -> None:
    if "://" not in url:
        refused(url, "existing folder|SQLite")
    else:
        with pytest.raises(LedgerError):
            Ledger.open(url, patience=0.1)


def test_passwords_are_not_shown() -> None:
    place = Place.of("postgresql://me:secret@nowhere.invalid:1/db")
    assert "secret" not in place.name
    with pytest.raises(LedgerError) as caught:
        Ledger.open("postgresql://me:secret@127.0.0.1:1/db", patience=0.1)
    assert "secret" not in str(caught.value)


def test_files_of_a_server_are_in_the_users_data_folder() -> None:
    place = Place.of("postgresql://me@host/db")
    folder = data_folder(place, {"HOME": "/home/me"})
    assert folder.parent == Path("/home/me/.local/share/guerdon")
    assert data_folder(place, {"XDG_DATA_HOME": "/data", "HOME": "/home/me"}).parent == Path("/data/guerdon")
    with pytest.raises(LedgerError, match=r"HOME is not set.*files="):
        data_folder(place, {})


def test_memory(tmp_path: Path) -> None:
    with Ledger.open("sqlite://") as ledger:
        write_history(ledger)
        assert len(ledger.attempts()) == 36
        folder = ledger.folder
        assert folder.is_dir()
    assert not folder.exists()


def test_closed(filled: Path) -> None:
    ledger = Ledger.open(filled)
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="was closed"):
        ledger.runs()


def test_blobs(filled: Path, tmp_path: Path) -> None:
    with Ledger.open(filled) as ledger:
        (tmp_path / "big").write_bytes(b"abc" * 10**6)
        blob = ledger.blobs.put(tmp_path / "big", "text/plain")
        assert blob == Blob.of(b"abc" * 10**6, "text/plain")
        assert blob in ledger.blobs
        assert ledger.blobs.put(b"abc" * 10**6).digest == blob.digest
        ledger.blobs.path(blob).write_bytes(b"abd" * 10**6)
        with pytest.raises(LedgerError, match="was changed"):
            ledger.blobs.get(blob)
        assert ledger.blobs.put(tmp_path / "big", "text/plain") == blob
        assert ledger.blobs.get(blob) == b"abc" * 10**6
        with pytest.raises(LedgerError, match="there is no"):
            ledger.blobs.get(Blob.of(b"never stored"))
        for name in ("../../etc/passwd", "A" * 64, "a" * 63, ""):
            with pytest.raises(LedgerError, match="64 hexadecimal"):
                ledger.blobs.get(Blob(name, 1))
        assert not list((ledger.folder / "blobs").glob(".new-*"))


def test_a_disk_that_fails_leaves_no_blob(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Ledger.open(filled) as ledger:
        before = sorted((ledger.folder / "blobs").rglob("*"))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LedgerError, match=r"No space left.*Free some space"):
            ledger.blobs.put(b"new")
        assert sorted((ledger.folder / "blobs").rglob("*")) == before


def test_opening_imports_no_migrations(filled: Path) -> None:
    """These take longer than all the rest of it."""
    code = f"""
import sys
from guerdon.ledger import Ledger
Ledger.open({str(filled)!r}).close()
print("alembic" in sys.modules, "scipy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_an_open_ledger_is_not_checked_again(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(opened, "check_pages", lambda _, path: asked.append(path))
    with Ledger.open(filled) as ledger:
        ledger.attempt(make_attempts(step=9))
        Ledger.open(filled).close()
    assert asked == []
    filled.with_name("guerdon.db-wal").write_bytes(b"left behind")
    Ledger.open(filled).close()
    assert asked == [filled]


def test_a_forgotten_ledger_is_closed(filled: Path) -> None:
    ledger = Ledger.open(filled)
    ledger.attempt(make_attempts(step=9))
    del ledger
    gc.collect()
    assert not filled.with_name("guerdon.db-wal").exists()


def test_a_ledger_travels_by_its_place(filled: Path) -> None:
    with Ledger.open(filled, durable=True) as ledger, pickle.loads(pickle.dumps(ledger)) as copy:
        assert copy.url == ledger.url
        assert copy.attempts() == ledger.attempts()
