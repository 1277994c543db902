"""Bundles from outside: what is damaged or hostile is refused with its place, and nothing is imported."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guerdon.core.errors import LedgerError
from guerdon.core.plain import canonical
from guerdon.core.task import Answer
from guerdon.ledger import AttemptRow, Ledger, unbundle
from guerdon.ledger.bundle import digest_of
from guerdon.ledger.export import bundle_digest, export_bundle, import_bundle, to_jsonl, to_parquet
from guerdon.testing.ledger import make_run, write_history
from guerdon.testing.postgres import Server


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "source.db") as ledger:
        write_history(ledger)
        yield ledger


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "target.db") as ledger:
        yield ledger


@pytest.fixture
def folder(source: Ledger, tmp_path: Path) -> Path:
    export_bundle(source, tmp_path / "bundle")
    return tmp_path / "bundle"


def refused(target: Ledger, path: Path, match: str | None) -> None:
    with pytest.raises(LedgerError, match=match):
        import_bundle(target, path)
    counts = [target.query(f"SELECT COUNT(*) FROM {name}")[0][0] for name in ("runs", "tasks", "attempts", "verdicts")]
    assert counts == [0, 0, 0, 0]


def zipped(folder: Path, change: Callable[[zipfile.ZipFile], None] = lambda _: None) -> Path:
    path = folder.with_name("changed.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
        change(archive)
    return path


def resealed(folder: Path, name: str, lines: list[str]) -> None:
    """Change a file and make the manifest agree, as an attacker would."""
    import hashlib

    data = "".join(line + "\n" for line in lines).encode()
    (folder / f"{name}.jsonl").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "lines": len(lines)}
    manifest["digest"] = digest_of(manifest["files"])
    (folder / "manifest.json").write_text(canonical(manifest))


def test_same_history_same_bytes(source: Ledger, target: Ledger, postgres: Server, tmp_path: Path) -> None:
    write_history(target)
    with Ledger.open(postgres.schema(), files=tmp_path / "files") as third:
        write_history(third)
        digests = {bundle_digest(ledger) for ledger in (source, target, third)}
        for i, ledger in enumerate((source, target, third)):
            export_bundle(ledger, tmp_path / f"b{i}")
    assert len(digests) == 1
    for file in sorted((tmp_path / "b0").rglob("*")):
        if file.is_file() and file.name != "timings.jsonl":
            same = [(tmp_path / f"b{i}" / file.relative_to(tmp_path / "b0")).read_bytes() for i in (1, 2)]
            assert same == [file.read_bytes()] * 2


def test_the_digest_notices_what_matters(source: Ledger, target: Ledger) -> None:
    write_history(target)
    before = bundle_digest(source)
    target.finish("r", "done")
    assert bundle_digest(target) == before
    target.begin(make_run("q"))
    assert bundle_digest(target) != before
    assert bundle_digest(target, "r") == bundle_digest(source, "r")


def test_an_existing_path_is_kept(source: Ledger, folder: Path) -> None:
    with pytest.raises(LedgerError, match="exists"):
        export_bundle(source, folder)
    with pytest.raises(LedgerError, match="No such file"):
        export_bundle(source, folder / "no" / "where.zip")
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a\\..\\evil", "blobs/../../evil", "blobs/x", "extra.jsonl", "C:evil"]
)
def test_other_names_in_a_zip(folder: Path, target: Ledger, name: str) -> None:
    refused(target, zipped(folder, lambda archive: archive.writestr(name, "x")), "known names")
    assert not (folder.parent / "evil").exists()


def test_links_in_a_zip(folder: Path, target: Ledger) -> None:
    link = zipfile.ZipInfo("tasks.jsonl")
    link.external_attr = 0o120777 << 16
    (folder / "tasks.jsonl").unlink()
    refused(target, zipped(folder, lambda archive: archive.writestr(link, "/etc/passwd")), "is a link")


def test_links_in_a_folder(folder: Path, target: Ledger) -> None:
    kept = folder.with_name("kept.jsonl")
    (folder / "tasks.jsonl").rename(kept)
    (folder / "tasks.jsonl").symlink_to(kept)
    refused(target, folder, "is a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(folder: Path, target: Ledger) -> None:
    refused(target, zipped(folder, lambda archive: archive.writestr("runs.jsonl", "{}\n")), "comes twice")


def test_a_bomb(folder: Path, target: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unbundle, "MOST_SWOLLEN", 10 << 20)
    (folder / "attempts.jsonl").write_bytes(b" " * (20 << 20))
    refused(target, zipped(folder), "20 MiB in it shrank more than 300-fold")


def test_big_answers_travel(source: Ledger, target: Ledger, tmp_path: Path) -> None:
    answer = Answer("t/0", "x" * 10_000_000)
    blob = Answer("t/0", source.blobs.put(bytes(10_000_000)))
    source.attempt([AttemptRow(f"big{i}", "r", 99, i, given) for i, given in enumerate((answer, blob))])
    digest = export_bundle(source, tmp_path / "big.zip")
    import_bundle(target, tmp_path / "big.zip")
    assert bundle_digest(target) == digest


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_zip_cut_off(folder: Path, target: Ledger, part: float) -> None:
    path = zipped(folder)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    refused(target, path, "whole .zip")


def test_a_zip_with_flipped_bytes(folder: Path, target: Ledger) -> None:
    path = zipped(folder)
    data = bytearray(path.read_bytes())
    for place in range(200, 3000, 97):
        data[place] ^= 0xFF
    path.write_bytes(data)
    refused(target, path, None)


@pytest.mark.parametrize("name", ["manifest.json", "runs.jsonl", "verdicts.jsonl", "timings.jsonl", "blob"])
def test_a_missing_file(folder: Path, target: Ledger, name: str) -> None:
    victim = next((folder / "blobs").iterdir()) if name == "blob" else folder / name
    victim.unlink()
    refused(target, folder, "has none")
    refused(target, zipped(folder), "it is missing")


@pytest.mark.parametrize("name", ["runs", "tasks", "attempts", "verdicts", "choices", "timings"])
def test_a_file_cut_off(folder: Path, target: Ledger, name: str) -> None:
    path = folder / f"{name}.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    refused(target, folder, rf"{name}.jsonl.*cut off")
    path.write_bytes(b"".join(data.splitlines(keepends=True)[:-1]))
    refused(target, folder, rf"(agrees with its manifest|timings).*{name}.jsonl|cut off")


def test_a_changed_score(folder: Path, target: Ledger) -> None:
    path = folder / "verdicts.jsonl"
    path.write_text(path.read_text().replace('"value":0.5', '"value":1.5', 1))
    refused(target, folder, "verdicts.jsonl was changed")


def test_a_changed_blob(folder: Path, target: Ledger) -> None:
    victim = next((folder / "blobs").iterdir())
    victim.write_bytes(b"something else")
    refused(target, folder, f"blobs/{victim.name} is not")
    assert not list((target.folder / "blobs").rglob(victim.name))


VERDICT = (
    '{"attempt":"%s","id":"x","judge":"j","value":%s,"fault":null,"whose":null,"score":%s,"sandbox":"","reason":"",'
    '"superseded":false}'
)
ATTEMPT = '{"run":"%s","step":%s,"index":0,"id":"x","task":%s,"content":1,"parents":[],"note":{}}'
BAD_ROWS = [
    ("attempts", "[]"),
    ("attempts", "{" * 100_000),
    ("attempts", ATTEMPT % ("r", "0.5", '"t"')),
    ("attempts", ATTEMPT % ("r", "0", "null")),
    ("attempts", ATTEMPT % ("r", "-1", '"t"')),
    ("attempts", ATTEMPT % ("r", "9" * 20, '"t"')),
    ("attempts", ATTEMPT % ("nobody", "0", '"t"')),
    ("verdicts", VERDICT % ("nobody", "1.0", "{}")),
    ("verdicts", VERDICT % ("nobody", "NaN", "{}")),
    ("verdicts", VERDICT % ("nobody", "null", "{}")),
    ("verdicts", VERDICT % ("nobody", "1.0", '{"parts":{"a":"<script>"}}')),
    ("verdicts", VERDICT % ("nobody", "1.0", "[]")),
    ("choices", '{"run":"r"}'),
    ("choices", '{"outcome":"<script>"}'),
    ("runs", '{"id":"r"}'),
    ("runs", '{"id":"r2"}'),
    ("tasks", '{"challenge":"c","id":"t","data":7}'),
]


@pytest.mark.parametrize(("name", "line"), BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_hostile_rows_with_a_fitting_manifest(folder: Path, target: Ledger, name: str, line: str) -> None:
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    resealed(folder, name, [line, *lines[1:]])
    refused(target, folder, rf"{name}.jsonl")


def test_a_newer_version(folder: Path, target: Ledger) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(canonical({**manifest, "version": 2}))
    refused(target, folder, "version 1.*Upgrade")


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"format":"other"}', "[" * 10_000])
def test_other_manifests(folder: Path, target: Ledger, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    refused(target, folder, "bundle of guerdon")


def test_other_things_than_bundles(tmp_path: Path, target: Ledger) -> None:
    refused(target, tmp_path / "nothing", "there is no")
    refused(target, tmp_path, "manifest.json")
    (tmp_path / "text.zip").write_text("hello")
    refused(target, tmp_path / "text.zip", "whole .zip")


def test_a_bundle_at_odds_with_the_ledger(folder: Path, target: Ledger) -> None:
    target.begin(make_run("r", seed=99))
    with pytest.raises(LedgerError, match=r"runs.jsonl.*its seed is"):
        import_bundle(target, folder)
    assert target.attempts() == []


def test_lines_for_training(source: Ledger, tmp_path: Path) -> None:
    assert to_jsonl(source, tmp_path / "pairs.jsonl") > 0
    first = json.loads((tmp_path / "pairs.jsonl").read_text().splitlines()[0])
    assert {"prompt", "chosen", "rejected"} < set(first)
    assert to_jsonl(source, tmp_path / "all.jsonl", "r", format="attempts") == 36
    with pytest.raises(LedgerError, match="format"):
        to_jsonl(source, tmp_path / "x", format="csv")  # type: ignore[arg-type]


def test_parquet(source: Ledger, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert to_parquet(source, tmp_path / "x.parquet") == 36
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.num_rows == 36
    assert table.column("score").null_count == sum(verdict.score.value is None for verdict in source.verdicts())


def test_a_failed_export_leaves_nothing(source: Ledger, tmp_path: Path) -> None:
    shutil.rmtree(source.folder / "blobs")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LedgerError, match="stored blob"):
        export_bundle(source, tmp_path / "new.zip")
    assert sorted(tmp_path.iterdir()) == before
