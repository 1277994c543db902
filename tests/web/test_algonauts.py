"""Algonauts hosted from its folder, handed in as one zip, and an entry judged."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("PIL")
from web_helpers import Browser, main_of

from guerdon.hosting import Actor, Host
from guerdon.hosting.worker import Worker
from guerdon.systems.algonauts.brains import blobs, recording
from guerdon.systems.algonauts.layout import HEMISPHERES
from guerdon.systems.algonauts.prepare import prepare

pytestmark = pytest.mark.slow


def packed(root: Path) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as to:
        for path in sorted(root.rglob("*")):
            to.write(path, path.relative_to(root))
    return held.getvalue()


def predictions(root: Path, share: float) -> bytes:
    """The test responses themselves with noise: what nobody outside has."""
    held, rng = io.BytesIO(), np.random.default_rng(0)
    with zipfile.ZipFile(held, "w") as to:
        for side in HEMISPHERES:
            truth = np.load(root / "subj01" / "test_split" / "test_fmri" / f"{side}_test_fmri.npy")
            array = io.BytesIO()
            noise = rng.normal(size=truth.shape) * truth.std()
            np.save(array, (share * truth + (1 - share) * noise).astype(np.float32))
            to.writestr(f"subj01/{side}_pred_test.npy", array.getvalue())
    return held.getvalue()


def test_a_folder_with_brains_becomes_a_challenge_and_judges_an_entry(host: Host, tmp_path: Path) -> None:
    root = tmp_path / "data"
    made = recording("subj01", tmp_path / "pictures", images=60, vertices=12, seed=1, make=drawn)
    prepare(made, root)
    browser = Browser(host)
    form = {"challenge": "algonauts", "slug": "brains", "phased": "yes", "hold-0": "yes", "visibility-0": "aggregate"}
    answer = browser.post("/challenges/new", form, files={"file-data": ("data.zip", packed(root))})
    assert answer.headers.get("location") == "/challenges/brains?said=created", main_of(answer)
    assert "lh_pred_test.npy" in main_of(browser.get("/challenges/brains/submit"))  # what entrants hand in
    for share in (0.3, 0.9):
        files = {"file": ("predictions.zip", predictions(root, share))}
        assert browser.post("/challenges/brains/submit", files=files).status_code == 303
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as to:
        to.writestr("../subj01/lh_pred_test.npy", b"")
    browser.post("/challenges/brains/submit", files={"file": ("evil.zip", evil.getvalue())})
    Worker(host).run(drain=True)
    refused, better, _ = host.submissions.list_for(Actor.local(), "brains")
    assert refused.fault is not None
    assert refused.fault.whose == "solver"
    assert better.score is not None
    (row,) = host.board("brains", "test", Actor.local()).rows
    assert row.value == better.score.value
    assert "published values" in main_of(browser.get("/challenges/brains"))


def drawn(count: int, rng: Any) -> Any:
    return blobs(count, 32, 4, rng)
