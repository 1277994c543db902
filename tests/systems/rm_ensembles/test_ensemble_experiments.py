"""The experiments run at smoke scale and measure what their claims need; the desk command draws its picture."""

import pytest

from guerdon.systems.rm_ensembles.draw import main
from guerdon.systems.rm_ensembles.experiment import EXPERIMENTS

pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.name)
def test_every_claim_has_its_measure(experiment) -> None:
    found = experiment.run(experiment.arms[0], 7, "smoke")
    claimed = {claim.measure for claim in experiment.claims if hasattr(claim, "measure")}
    assert claimed <= set(found)
    assert {name for name in claimed if found[name] is None} <= {"member 4 adds", "member 5 adds"}
    assert found == experiment.run(experiment.arms[0], 7, "smoke")


def test_the_desk_is_drawn(tmp_path, capsys) -> None:
    main(["desk", "--scale", "smoke", "--out", str(tmp_path)])
    assert "beats single" in capsys.readouterr().out
    assert (tmp_path / "curves.html").is_file()
