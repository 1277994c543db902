"""Triangle kernel: make the outgoing triangle multiplicative update fast, and keep it right.

An answer is `{"code": text}` whose Python defines `custom_kernel(data)` for `data = (x, mask, weights, config)` (see
`trimul`). On a GPU the reward is 3000 / (geometric mean of the microseconds over seven shapes), after 18 correctness
cases, Cauchy inputs among them (arXiv 2601.16175, section 4.2). The sandbox shows no GPU to a job, so that needs a
machine of its own and `--sandbox trusted`. With `device="cpu"` kernels are only checked, on the six small cases, behind
the wall: 1 when all are right, else 0; nothing is timed, since a time on another device says nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from guerdon.core.challenge import Landmark, Probes
from guerdon.core.plain import Json
from guerdon.core.reward import Need
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.sandbox import Job, Limits, Outcome, shared
from guerdon.systems.ttt_discover.problem import Discovery, Invalid, Verifier
from guerdon.systems.ttt_discover.problems import trimul
from guerdon.systems.ttt_discover.problems.denoising import code_of

Device = Literal["cuda", "cpu"]
_KERNEL = """
def _kernel(code):
    scope = {"__name__": "answer"}
    exec(compile(code, "<answer>", "exec"), scope)
    return scope["custom_kernel"]
"""
_CHECK = """
import numpy, torch

def check(code, arrays, shapes, names, config):
    torch.set_num_threads(1)
    tensors = [torch.from_numpy(numpy.frombuffer(a, numpy.float32).reshape(s).copy()) for a, s in zip(arrays, shapes)]
    data = (tensors[0], tensors[1], dict(zip(names, tensors[2:])), config)
    found = _kernel(code)(data)
    return found.detach().to(torch.float32).contiguous().numpy().tobytes(), list(found.shape)
"""
_MEASURE = """
import os

def timed(code):
    os.environ.update(PATH="/usr/local/bin:/usr/bin:/bin", HOME="/tmp", TRITON_CACHE_DIR="/tmp/triton")
    problem, means = measure(_kernel(code))
    return str(problem), [float(each) for each in means]
"""


@dataclass(frozen=True)
class Fast(Verifier):
    """Pays 3000 over the geometric mean of microseconds on a GPU; on a CPU, 1 for a kernel that is right.

    Args:
        device: "cuda" or "cpu".
        seconds: wall-clock limit of one kernel with all its cases.
        memory_mb: memory of one kernel's process, in MiB, where it is only checked.
    """

    device: Device = "cuda"
    seconds: float = 600.0
    memory_mb: int = 16 * 1024
    part: ClassVar[str] = "speed"
    sense = "max"
    label = "triangle-kernel"

    @property
    def needs(self) -> frozenset[Need]:  # type: ignore[override]
        """A sandbox; a GPU where it times."""
        return frozenset({Need.SANDBOX, Need.GPU} if self.device == "cuda" else {Need.SANDBOX})

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """One kernel after the other, so that none disturbs another's times."""
        return [self._judged(case.answer.content) for case in cases]

    def _judged(self, content: Any) -> Score:
        try:
            code = code_of(content)
        except Invalid as invalid:
            return Score.failed(FaultKind.INVALID, str(invalid), "solver")
        why = missing(self.device)
        if why:
            return Score.failed(FaultKind.SANDBOX, why, "host")
        return self._timed(code) if self.device == "cuda" else self._compared(code)

    def _limits(self) -> Limits:
        return Limits(wall_s=self.seconds, memory_mb=self.memory_mb, processes=64, result_kb=64 * 1024)

    def _open_limits(self) -> Limits:
        """A GPU's driver maps all its memory, and compilers start processes; time is what is bounded."""
        return Limits(wall_s=self.seconds, cpu_s=1e6, memory_mb=1 << 26, processes=4096, open_files=4096, disk_mb=4096)

    def _timed(self, code: str) -> Score:
        source = Path(trimul.__file__).read_text("utf-8") + _KERNEL + _MEASURE
        job = Job(source=source, entry="timed", calls=[(code,)], limits=self._open_limits())
        ((outcome,),) = shared.run([job], imports=libraries())
        if outcome.fault is not None:
            return Score(None, fault=outcome.fault)
        match outcome.value:
            case (str(problem), list(means)) if not problem and _sound(means):
                mean = math.exp(sum(math.log(each) for each in means) / len(means))
                return Score(3000.0 / mean, {"speed": 3000.0 / mean, "microseconds": mean})
            case (str(problem), list()) if problem:
                return Score.failed(FaultKind.INVALID, f"a right kernel; {problem}"[:500], "solver")
        return Score.failed(FaultKind.PROTOCOL, "no times came back")

    def _compared(self, code: str) -> Score:
        right = 0
        for part in (range(1), range(1, trimul.SMALL)):  # most wrong ones are wrong at once
            jobs = [
                Job(source=_KERNEL + _CHECK, entry="check", calls=[(code, *_sent(i))], limits=self._limits())
                for i in part
            ]
            for i, (outcome,) in zip(part, shared.run(jobs, imports=libraries()), strict=True):
                if outcome.fault is not None and outcome.fault.whose != "solver":
                    return Score(None, fault=outcome.fault)
                right += _right(i, outcome)
            if right < part.stop:
                break
        return Score(float(right == trimul.SMALL), {"right": float(right), "cases": float(trimul.SMALL)})


def missing(device: Device) -> str:
    """Why kernels cannot be judged here, in words; "" when they can."""
    try:
        import torch
    except ImportError:
        return "kernels need PyTorch: it is not installed. pip install torch"
    if device == "cpu":
        return ""
    if not torch.cuda.is_available():
        return (
            "timing kernels needs a GPU: none is visible to PyTorch. Use a machine with one, or --device cpu to check"
        )
    if shared.backend() != "trusted":
        return (
            "a job in the sandbox sees no GPU: the back end is "
            f"{shared.backend()}. On a machine of its own, pass --sandbox trusted"
        )
    return ""


def libraries() -> tuple[str, ...]:
    """PyTorch and what it requires, by module."""
    try:
        lines = [line for line in requires("torch") or () if "extra ==" not in line]
    except PackageNotFoundError:
        return ()
    names = {re.split(r"[^\w.-]", line)[0].replace("-", "_") for line in lines} - {"setuptools"}
    beside = ("mpmath", "markupsafe", "nvidia", "triton", "torchgen", "functorch", "torch")
    return ("numpy", *(name for name in (*sorted(names), *beside) if find_spec(name) is not None))


@lru_cache(maxsize=trimul.SMALL)
def _data(i: int) -> Any:
    return trimul.make(trimul.CHECKS[i], "cpu")


@lru_cache(maxsize=trimul.SMALL)
def _wanted(i: int) -> Any:
    return trimul.reference(_data(i))


def _sent(i: int) -> tuple[list[bytes], list[list[int]], list[str], dict[str, int]]:
    """A case as plain data."""
    x, mask, weights, config = _data(i)
    tensors = [x, mask, *weights.values()]
    return [t.numpy().tobytes() for t in tensors], [list(t.shape) for t in tensors], list(weights), dict(config)


def _right(i: int, outcome: Outcome) -> bool:
    import numpy as np
    import torch

    match outcome.value:
        case (bytes(raw), list(shape)) if shape == list(_data(i)[0].shape) and len(raw) == 4 * math.prod(shape):
            found = torch.from_numpy(np.frombuffer(raw, np.float32).reshape(shape).copy())
            return not trimul.differs(found, _wanted(i), trimul.CHECKS[i])
    return False


def _sound(means: list[Any]) -> bool:
    return len(means) == len(trimul.TIMED) and all(type(x) is float and math.isfinite(x) and x > 0 for x in means)


@dataclass(frozen=True, kw_only=True)
class TriangleKernel(Discovery):
    """Write a fast kernel for the outgoing triangle multiplicative update."""

    device: Device = "cuda"
    """Where kernels run: "cuda" times them (on a machine of its own, with `--sandbox trusted`), "cpu" only checks."""
    seconds: float = 600.0
    """Wall-clock limit of one kernel with all its cases (1,200 s in the competition, for tests and times each)."""

    name: ClassVar[str] = "triangle-kernel"

    @property
    def judge(self) -> Fast:
        """The verifier."""
        return Fast(device=self.device, seconds=self.seconds)

    def prompt(self) -> str:
        """What is asked."""
        return (
            "Write Python with a function `custom_kernel(data)` for data = (x, mask, weights, config): x (B, N, N, C) "
            "and mask (B, N, N) are float tensors, weights holds norm.weight, norm.bias (C); left_proj.weight, "
            "right_proj.weight, left_gate.weight, right_gate.weight, out_gate.weight (H, C); to_out_norm.weight, "
            "to_out_norm.bias (H); to_out.weight (C, H); config holds dim = C and hidden_dim = H = 128. Return the "
            "outgoing triangle multiplicative update: x = LayerNorm(x); l = linear(x, left_proj) * mask * "
            "sigmoid(linear(x, left_gate)); r alike; out[b, i, j] = sum_k l[b, i, k] * r[b, j, k]; "
            "linear(LayerNorm(out) * sigmoid(linear(x, out_gate)), to_out). It is checked on 18 cases (N up to 1024, C "
            "up to 768, normal and Cauchy inputs; tolerance 0.02) and timed on 7 shapes. PyTorch and Triton are there."
        )

    def sizes(self) -> Mapping[str, Json]:
        """Where it runs."""
        return {"device": self.device, "seconds": self.seconds}

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """No key: the cases are public."""
        return [None for _ in tasks]

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published times on an H100, in microseconds."""
        if self.device == "cpu":
            return ()
        rows = {"best of 25,600 samples": 5390.3, "best human": 1371.1, "TTT-Discover (gpt-oss-120b)": 1161.2}
        source = "arXiv 2601.16175, table 4; H100"
        return [Landmark(who, value, "microseconds", source) for who, value in rows.items()]

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """Plain torch, against kernels that do nothing or a little."""
        if not tasks:
            return Probes()
        name = tasks[0].id
        nothing = ["def custom_kernel(data):\n    return data[0]", "def custom_kernel(data):\n    return data[0] * 0"]
        cheats: dict[str, list[Any]] = {
            "no code": [None, 7, "", {}, {"code": "x = 1"}],
            "no tensor": [{"code": "def custom_kernel(data):\n    return 0"}],
            "a reported time": [{"code": nothing[0], "microseconds": 1.0, "speed": 1e9}],
            "the mask left out": [{"code": PLAIN.replace("* mask", "")}],
        }
        oracle = [Answer(name, {"code": PLAIN})] if not missing(self.device) else []
        top = 1.0 if self.device == "cpu" else 0.0
        return Probes(
            oracle,
            [Answer(name, {"code": code}) for code in nothing],
            {label: [Answer(name, each) for each in rows] for label, rows in cheats.items()},
            top=top,
            floor=0.0,
        )


PLAIN = """\
import torch
from torch.nn.functional import layer_norm, linear


def custom_kernel(data):
    x, mask, w, config = data
    x = layer_norm(x, (config["dim"],), w["norm.weight"], w["norm.bias"])
    mask = mask.to(x.dtype).unsqueeze(-1)
    left = linear(x, w["left_proj.weight"]) * mask * linear(x, w["left_gate.weight"]).sigmoid()
    right = linear(x, w["right_proj.weight"]) * mask * linear(x, w["right_gate.weight"]).sigmoid()
    out = (left.permute(0, 3, 1, 2) @ right.permute(0, 3, 2, 1)).permute(0, 2, 3, 1)
    out = layer_norm(out, (config["hidden_dim"],), w["to_out_norm.weight"], w["to_out_norm.bias"])
    return linear(out * linear(x, w["out_gate.weight"]).sigmoid(), w["to_out.weight"])
"""
"""A first kernel: plain torch with one batched matrix product."""
