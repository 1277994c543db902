"""The outgoing triangle multiplicative update: plain torch, its cases, and how kernels are checked and timed.

    x = LayerNorm(x);  l = (x W_l) mask sigmoid(x W_lg);  r = (x W_r) mask sigmoid(x W_rg)
    out_ij = sum_k l_ik * r_jk;  y = (LayerNorm(out) sigmoid(x W_og)) W_o

Source: AlphaFold 2 supplement, algorithm 11; shapes and input distributions as in the GPU MODE competition `trimul`
that arXiv 2601.16175, section 4.2 uses. This text is also sent into the process that runs a kernel, so it imports
nothing of the package.
"""

from __future__ import annotations

import math
from typing import Any

RTOL = ATOL = 2e-2
CHECKS: tuple[tuple[int, int, int, bool, str, int], ...] = (
    (32, 1, 128, False, "normal", 9371),
    (32, 1, 128, True, "normal", 1092),
    (64, 2, 256, False, "normal", 2291),
    (64, 2, 256, True, "normal", 210284),
    (32, 1, 128, False, "cauchy", 937321),
    (64, 2, 256, False, "cauchy", 2291),
    (128, 1, 768, False, "normal", 81934),
    (128, 1, 768, False, "cauchy", 8134),
    (256, 1, 128, False, "normal", 1932),
    (256, 1, 128, True, "normal", 10432),
    (256, 1, 128, False, "cauchy", 932),
    (768, 2, 128, False, "normal", 731),
    (768, 2, 128, False, "cauchy", 31),
    (1024, 1, 384, True, "normal", 53121),
    (1024, 1, 768, False, "normal", 31),
    (1024, 1, 768, True, "normal", 4921),
    (1024, 1, 384, True, "cauchy", 5321),
    (1024, 1, 768, True, "cauchy", 491),
)
"""The 18 correctness cases: length, batch, channels, masked, distribution, seed; the first six are small."""
TIMED: tuple[tuple[int, int, int, bool, str, int], ...] = (
    (256, 2, 128, False, "normal", 9371),
    (768, 1, 128, False, "cauchy", 381),
    (256, 2, 384, True, "normal", 2301),
    (512, 1, 128, False, "normal", 12819),
    (1024, 1, 128, False, "cauchy", 381),
    (768, 1, 384, True, "normal", 481),
    (1024, 1, 384, False, "normal", 23291),
)
"""The 7 shapes that are timed."""
SMALL = 6
HIDDEN = 128


def make(
    case: tuple[int, int, int, bool, str, int], device: str, shift: int = 0
) -> tuple[Any, Any, dict[str, Any], Any]:
    """Draw a case.

    Args:
        case: a row of `CHECKS` or `TIMED`.
        device: of the tensors.
        shift: added to the seed.

    Returns:
        Input (B, N, N, C), mask (B, N, N), weights by name, and the configuration.
    """
    import torch

    length, batch, channels, masked, distribution, seed = case
    gen = torch.Generator(device=device).manual_seed(seed + shift)

    def normal(*shape: int) -> Any:
        return torch.randn(shape, generator=gen, device=device)

    if distribution == "cauchy":
        uniform = torch.rand((batch, length, length, channels), generator=gen, device=device)
        x = 2.0 * torch.tan(math.pi * (uniform - 0.5))
    else:
        x = normal(batch, length, length, channels)
    mask = torch.ones(batch, length, length, device=device)
    if masked:
        mask = torch.randint(0, 2, mask.shape, generator=gen, device=device).to(torch.float32)
    weights = {"norm.weight": normal(channels), "norm.bias": normal(channels)}
    for name in ("left_proj", "right_proj", "left_gate", "right_gate", "out_gate"):
        weights[f"{name}.weight"] = normal(HIDDEN, channels) / math.sqrt(HIDDEN)
    weights |= {"to_out_norm.weight": normal(HIDDEN), "to_out_norm.bias": normal(HIDDEN)}
    weights["to_out.weight"] = normal(channels, HIDDEN) / math.sqrt(channels)
    return x, mask, weights, {"dim": channels, "hidden_dim": HIDDEN}


def reference(data: tuple[Any, Any, dict[str, Any], Any]) -> Any:
    """The update in 32-bit floats, (B, N, N, C)."""
    import torch
    from torch.nn.functional import layer_norm, linear

    x, mask, w, config = data
    x = layer_norm(x, (config["dim"],), w["norm.weight"], w["norm.bias"])
    mask = mask.to(x.dtype).unsqueeze(-1)
    left = linear(x, w["left_proj.weight"]) * mask * linear(x, w["left_gate.weight"]).sigmoid()
    right = linear(x, w["right_proj.weight"]) * mask * linear(x, w["right_gate.weight"]).sigmoid()
    out = torch.einsum("bikd,bjkd->bijd", left, right)
    out = layer_norm(out, (config["hidden_dim"],), w["to_out_norm.weight"], w["to_out_norm.bias"])
    return linear(out * linear(x, w["out_gate.weight"]).sigmoid(), w["to_out.weight"])


def differs(found: Any, wanted: Any, case: tuple[int, int, int, bool, str, int]) -> str:
    """What is wrong with a kernel's output; "" when it is close enough (rtol = atol = 0.02)."""
    import torch

    if not isinstance(found, torch.Tensor) or found.shape != wanted.shape:
        return f"case {case}: a tensor of shape {tuple(wanted.shape)} was expected"
    found = found.to(wanted)
    if not torch.isfinite(found).all():
        return f"case {case}: not all values are finite"
    worst = ((found - wanted).abs() - (ATOL + RTOL * wanted.abs())).max().item()
    return "" if worst <= 0 else f"case {case}: off by {worst:.3g} more than is allowed"


def measure(kernel: Any, repeats: int = 20) -> tuple[str, list[float]]:
    """Check a kernel on all cases and time it on a GPU.

    Every timed call gets fresh inputs, with the cache flushed, and its output is checked.

    Returns:
        What is wrong, "" for nothing; and the mean microseconds of each timed shape.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for case in CHECKS:
        data = make(case, "cuda")
        problem = differs(kernel(data), reference(make(case, "cuda")), case)
        if problem:
            return problem, []
    return _timed(kernel, repeats)


def _timed(kernel: Any, repeats: int) -> tuple[str, list[float]]:
    import torch

    means = []
    flush = torch.empty(64 << 20, dtype=torch.int32, device="cuda")
    for case in TIMED:
        spent = []
        for turn in range(-2, repeats):  # two to warm up
            data = make(case, "cuda", shift=turn + 3)
            flush.zero_()
            torch.cuda.synchronize()
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            found = kernel(data)
            end.record()
            torch.cuda.synchronize()
            if turn >= 0:
                spent.append(1000 * begin.elapsed_time(end))
            if turn in (-2, repeats - 1):
                problem = differs(found, reference(make(case, "cuda", shift=turn + 3)), case)
                if problem:
                    return problem, []
        means.append(sum(spent) / len(spent))
    return "", means
