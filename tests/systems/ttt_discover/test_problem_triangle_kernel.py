from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.task import Answer, Case, Task
from guerdon.sandbox import shared
from guerdon.systems.ttt_discover.problems import triangle_kernel as tk
from guerdon.systems.ttt_discover.problems import trimul

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    shared.close()


def judged(challenge: tk.TriangleKernel, content: Any) -> Any:
    return challenge.judge([Case(Task(challenge.name), Answer(challenge.name, content), None)])[0]


@pytest.mark.parametrize("masked", [False, True])
def test_the_reference_is_the_update_in_loops(masked: bool) -> None:
    x, mask, w, config = trimul.make((3, 2, 4, masked, "normal", 101), "cpu")

    def normed(v: Any, name: str) -> Any:
        v = v - v.mean()
        return v / (v.square().mean() + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]

    def side(b: int, i: int, k: int, name: str) -> Any:
        n = normed(x[b, i, k], "norm")
        gate = torch.sigmoid(w[f"{name}_gate.weight"] @ n)
        return w[f"{name}_proj.weight"] @ n * mask[b, i, k] * gate

    wanted = torch.zeros_like(x)
    for b in range(2):
        for i in range(3):
            for j in range(3):
                total = sum(side(b, i, k, "left") * side(b, j, k, "right") for k in range(3))
                gate = torch.sigmoid(w["out_gate.weight"] @ normed(x[b, i, j], "norm"))
                wanted[b, i, j] = w["to_out.weight"] @ (normed(total, "to_out_norm") * gate)
    torch.testing.assert_close(trimul.reference((x, mask, w, config)), wanted, rtol=1e-3, atol=1e-3)


def test_cases_are_the_published_ones() -> None:
    assert len(trimul.CHECKS) == 18
    assert len(trimul.TIMED) == 7
    assert sum(case[4] == "cauchy" for case in trimul.CHECKS) == 7
    first, again = trimul.make(trimul.CHECKS[4], "cpu"), trimul.make(trimul.CHECKS[4], "cpu")
    assert torch.equal(first[0], again[0])
    assert first[0].abs().max() > 1000  # Cauchy tails
    masked = trimul.make(trimul.CHECKS[1], "cpu")[1]
    assert set(masked.unique().tolist()) == {0.0, 1.0}


def test_differences_are_found_at_the_published_tolerance() -> None:
    wanted = torch.tensor([0.0, 1.0, 100.0])
    case = trimul.CHECKS[0]
    assert trimul.differs(wanted + torch.tensor([0.019, 0.039, 2.01]), wanted, case) == ""
    for off in ([0.021, 0, 0], [0, 0.041, 0], [0, 0, 2.03], [float("nan"), 0, 0]):
        assert trimul.differs(wanted + torch.tensor(off), wanted, case) != ""
    assert "shape" in trimul.differs(wanted[:2], wanted, case)
    assert "shape" in trimul.differs(None, wanted, case)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_fault_says_so() -> None:
    fault = judged(tk.TriangleKernel(), {"code": tk.PLAIN}).fault
    assert (fault.kind, fault.whose) == ("sandbox", "host")
    assert "needs a GPU" in fault.detail
    assert judged(tk.TriangleKernel(), {"code": 7}).fault.kind == "invalid"


@pytest.mark.slow
def test_kernels_are_checked_on_a_cpu_behind_the_wall() -> None:
    challenge = tk.TriangleKernel(device="cpu")
    assert judged(challenge, {"code": tk.PLAIN}).value == 1.0
    for wrong in (
        tk.PLAIN.replace("* mask", ""),
        tk.PLAIN.replace("right.permute(0, 3, 2, 1)", "right.permute(0, 3, 1, 2)"),
        "def custom_kernel(data):\n    return data[0]",
        "def custom_kernel(data):\n    return b'x'",
        "def custom_kernel(data):\n    raise SystemExit",
        "import torch\ntorch.allclose = lambda *a, **k: True\ndef custom_kernel(data):\n    return data[0] * 0",
    ):
        score = judged(challenge, {"code": wrong})
        assert score.value == 0.0
        assert score.parts["right"] < 6


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["code", "construction"]), inner),
        max_leaves=8,
    )
)
def test_no_answer_breaks_the_judge_or_earns(content: Any) -> None:
    score = judged(tk.TriangleKernel(), content)
    assert score.value is None
    assert score.fault.kind in ("invalid", "sandbox")


@pytest.mark.parametrize("content", [[0] * 10_000_000, {"code": "#" * 10_000_000}, {"code": [0] * 10_000_000}])
def test_huge_answers_are_refused_in_few_words(content: Any) -> None:
    fault = judged(tk.TriangleKernel(device="cpu"), content).fault
    assert fault.kind == "invalid"
    assert len(fault.detail) < 200
