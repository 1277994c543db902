import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.hosting.errors import HostingError
from guerdon.hosting.files import ArchiveCaps, FileProblemError, FileTooLargeError, read_tar, read_zip, safe_name
from guerdon.testing.file_makers import zipped

FILES = {"a.txt": b"hello", "sub/b.bin": bytes(range(256)) * 40, "sub/empty": b""}


def by_zipfile(method: int = zipfile.ZIP_DEFLATED, folder: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        if folder:
            made.mkdir("sub")
        for name, data in FILES.items():
            made.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("folder", [False, True])
def test_an_honest_zip_is_read_to_its_files(method: int, folder: bool) -> None:
    archive = read_zip(by_zipfile(method, folder))
    assert {name: archive.read(name) for name in archive} == FILES
    assert "a.txt" in archive
    assert "sub" not in archive


def test_a_zip_written_as_a_stream_is_read() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(data)  # type: ignore[arg-type]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in FILES.items():
            made.writestr(name, data)
    archive = read_zip(pipe.data)
    assert {name: archive.read(name) for name in archive} == FILES


def test_a_forced_zip64_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in FILES.items():
            with made.open(name, "w", force_zip64=True) as file:
                file.write(data)
    archive = read_zip(out.getvalue())
    assert {name: archive.read(name) for name in archive} == FILES


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_an_honest_tar_is_read_to_its_files(mode: str, style: int, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    long = {**FILES, "d" * 90 + "/" + "f" * 90: b"long"}
    with tarfile.open(path, mode, format=style) as made:  # type: ignore[call-overload]
        for name, data in long.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    for source in (path, path.read_bytes()):
        archive = read_tar(source)
        assert {name: archive.read(name) for name in archive} == long


def test_files_are_unpacked_into_an_empty_folder(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(by_zipfile())
    read_zip(path).unpack(tmp_path / "all")
    found = {str(each.relative_to(tmp_path / "all")): each.read_bytes() for each in (tmp_path / "all").rglob("*.*")}
    assert found == {name: data for name, data in FILES.items() if "." in name}
    assert [each.name for each in read_zip(path).unpack(tmp_path / "sub", under="sub")] == ["b.bin", "empty"]
    with pytest.raises(FileProblemError, match="empty folder"):
        read_zip(path).unpack(tmp_path / "all")


def test_caps_are_those_of_the_whole_too() -> None:
    data = zipped({f"{k}.txt": bytes(range(256)) for k in range(20)})
    assert len(list(read_zip(data, ArchiveCaps(total=20 * 256)))) == 20
    with pytest.raises(FileTooLargeError, match="at most 5,119 bytes") as refused:
        read_zip(data, ArchiveCaps(total=20 * 256 - 1))
    assert refused.value.status == 413
    assert isinstance(refused.value, HostingError)
    with pytest.raises(FileTooLargeError, match="at most 100 bytes"):
        read_zip(data, ArchiveCaps(packed=100))
    many = zipped({f"{k}.txt": bytes(60_000) for k in range(20)})
    with pytest.raises(FileTooLargeError, match="no less than 1/100"):
        read_zip(many)


@given(st.binary(max_size=300), st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_a_damaged_zip_is_read_whole_or_refused_in_our_words(noise: bytes, place: int, patch: bytes) -> None:
    """Whatever is written over a zip, each file that is read is one that was in it, or there is a sentence."""
    data = by_zipfile()
    damaged = data[:place] + patch + data[place + len(patch) :]
    for each in (noise, damaged, data[:-place] if place else data):
        try:
            archive = read_zip(each, ArchiveCaps(total=1 << 20))
            found = [archive.read(name) for name in archive]
        except FileProblemError:
            pass
        else:
            assert all(content in FILES.values() for content in found)


@given(st.text())
def test_a_safe_name_stays_below_its_folder(name: str) -> None:
    try:
        plain = safe_name(name)
    except FileProblemError:
        return
    root = Path("/root/of/all")
    assert root in (root / plain).parents
    assert ".." not in Path(plain).parts


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 3_000_000])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_of_any_size_comes_out_as_it_went_in(size: int, method: int, tmp_path: Path) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr("x", data)
    caps = ArchiveCaps(ratio=10_000)
    assert read_zip(path, caps).read("x") == data
    assert read_zip(path.read_bytes(), caps).read("x") == data
    assert max((len(piece) for piece in read_zip(path, caps).chunks("x")), default=0) <= 262_144


def test_the_directory_is_read_once_for_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it for each would make the ten thousandth file cost ten thousand entries."""
    archive = read_zip(zipped({f"{k}": b"%d" % k for k in range(300)}))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert [archive.read(name) for name in archive] == [b"%d" % k for k in range(300)]
