import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.common import Plan, UnequalError
from benchmarks.meter import Load

from benchmarks import p16_grpo


def test_steps_are_measured_without_the_peer():
    found = p16_grpo.run(Plan(rounds=1, quick=True), Load(), lambda text: None)
    [claim] = found["claims"]
    assert claim["missing"] == "left out"
    assert claim["ours"] > 0
    assert len(found["agreement"]) == p16_grpo.COMPARED


@pytest.mark.slow
def test_loss_and_gradient_are_trls():
    pytest.importorskip("trl")
    with p16_grpo._drivers([sys.executable, str(p16_grpo.DRIVERS / "p16_trl.py")]) as drivers:
        agreed = p16_grpo.agreement(drivers)
    assert len(agreed) == p16_grpo.COMPARED
    assert any(abs(loss) > 1e-4 for loss, _ in agreed)
    with pytest.raises(UnequalError):
        p16_grpo.check_near("trl", agreed, [[loss + 1e-3, norm] for loss, norm in agreed])
