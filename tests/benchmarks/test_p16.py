import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.common import Plan, UnequalError
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, sides

from benchmarks import p16_grpo


def test_steps_are_measured_without_the_peer():
    found = p16_grpo.run(Plan(rounds=1, quick=True), Load(), lambda text: None)
    assert [claim["missing"] for claim in found["claims"]] == ["left out"] * 2
    assert all(claim["ours"] > 0 for claim in found["claims"])
    assert len(found["agreement"]) == p16_grpo.COMPARED


@pytest.mark.slow
def test_loss_and_gradient_are_trls():
    pytest.importorskip("trl")
    with sides("p16", {"trl": [sys.executable, str(DRIVERS / "p16_trl.py")]}) as drivers:
        agreed = p16_grpo.agreement(drivers)
        assert p16_grpo._drawer(drivers["trl"], 2)(0).output == 2
    assert len(agreed) == p16_grpo.COMPARED
    assert any(abs(loss) > 1e-4 for loss, _ in agreed)
    with pytest.raises(UnequalError):
        p16_grpo.check_near("trl", agreed, [[loss + 1e-3, norm] for loss, norm in agreed])
