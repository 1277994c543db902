"""Attacks on what a job may find in its own memory: it is a copy of the zygote's, which has served others before."""

import pytest

from guerdon.sandbox import Job, Limits, Sandbox, open_sandbox

SECRET = "hunter-" + "2" * 24
LOOK = """
import ctypes, os

PAGE = 4096
libc = ctypes.CDLL(None)
libc.write.argtypes, libc.write.restype = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t], ctypes.c_ssize_t
ends = os.pipe()


def read(page):
    "A page of our own memory, or nothing where none is: the kernel says so, and nobody crashes."
    return os.read(ends[0], PAGE) if libc.write(ends[1], page, PAGE) > 0 else b""


def around(address, pages):
    start = (address & -PAGE) - pages * PAGE
    return b"".join(read(start + i * PAGE) for i in range(2 * pages))


def main(backwards):
    marker, block = "ours" * 9, ctypes.create_string_buffer(9000)
    places = [ctypes.c_void_p.in_dll(libc, "__libc_stack_end").value, ctypes.addressof(block)]
    places += [id(each) for each in (object(), [], marker, bytes(300), bytes(5000))]
    seen = b"".join(around(place, 300) for place in places)
    return [len(seen), backwards[::-1].encode() in seen, marker.encode() in seen]
"""
KEEP = f"kept = {{i: '{SECRET}' * i for i in range(1, 400)}}\n\n\ndef main(given):\n    return len(str(given))\n"


@pytest.mark.parametrize("backend", ["namespaces", "landlock"])
def test_neither_the_environment_nor_an_earlier_job_is_in_memory(
    backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request.getfixturevalue(backend)  # skips where it is not to be had
    monkeypatch.setenv("GUERDON_DB", f"postgresql://me:{SECRET}@host/contest")
    given = {"key": SECRET, "bytes": SECRET.encode(), "many": [SECRET] * 1000}
    with open_sandbox(backend, workers=1) as box:
        assert one(box, Job(source=KEEP, entry="main", calls=[(given,)])) > 1000
        look = Job(source=LOOK, entry="main", calls=[(SECRET[::-1],)], limits=Limits(wall_s=20.0, memory_mb=1024))
        size, found, own = one(box, look)
    assert size > 1 << 20
    assert own  # it looks where texts are
    assert not found


def one(box: Sandbox, job: Job) -> object:
    ((outcome,),) = box.run([job])
    assert outcome.fault is None
    return outcome.value
