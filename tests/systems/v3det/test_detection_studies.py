"""Every arm of every experiment runs at smoke scale; the command line; what the page shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")

from guerdon.bench.experiment import Experiment
from guerdon.core.errors import ConfigError
from guerdon.systems.v3det import miniature
from guerdon.systems.v3det.command import main
from guerdon.systems.v3det.experiment import EXPERIMENTS

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "v3det.md"


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.name)
def test_every_arm_gives_what_its_claims_are_about(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUERDON_PICTURES", raising=False)
    if experiment.name == "long-tail":
        pytest.importorskip("torch")
    found = {arm: experiment.run(arm, 3, "smoke") for arm in experiment.arms}
    for claim in experiment.claims:
        for arm in (getattr(claim, "treatment", None), getattr(claim, "control", None)):
            if arm is not None:
                assert found[arm][claim.measure] is not None  # type: ignore[union-attr]


def test_features_come_from_a_file(tmp_path: Path) -> None:
    held: dict[str, Any] = {
        "names": np.array(["a", "b"]), "parents": np.array([0, 0]), "parent_names": np.array(["p"]),
        "train": np.eye(2), "test": np.eye(2), "text": np.eye(2),
    }  # fmt: skip
    np.savez(tmp_path / "p.npz", **held)
    assert miniature.pictures(str(tmp_path / "p.npz")).names == ["a", "b"]
    np.savez(tmp_path / "q.npz", names=np.array([{}], object))
    with pytest.raises(ConfigError, match="picture_features"):
        miniature.pictures(str(tmp_path / "q.npz"))


def test_files_are_made_checked_scored_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--images", "30", "--boxes", "90", "--categories", "12", "--per-image", "10"]
    assert main(["load", *sizes, "--out", str(tmp_path)]) == 0
    labels, results = str(tmp_path / "labels.json"), str(tmp_path / "results.json")
    assert main(["check", results, "--labels", labels]) == 0
    assert "300 detections in 30 images" in capsys.readouterr().out
    assert main(["score", results, "--labels", labels, "--resamples", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["AP_low"] <= told["AP"] <= told["AP_high"]
    assert main(["compare", results, results, "--labels", labels, "--resamples", "20"]) == 0
    assert re.search(r"OVD +0\.00 +\(-?0\.00 to -?0\.00\)", capsys.readouterr().out)
    assert main(["base-only", labels, "--out", str(tmp_path / "base.json")]) == 0
    Path(results).write_text(json.dumps([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": "1"}]))
    assert main(["check", results, "--labels", labels]) == 2
    assert "entry 0 (line 1), score" in capsys.readouterr().err


def test_the_page_names_commands_that_are_there() -> None:
    text = PAGE.read_text("utf-8")
    for name in re.findall(r"python -m guerdon\.systems\.v3det ([a-z-]+)", text):
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0
