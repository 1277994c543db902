"""What reward models are trained on, as pure functions of tensors.

Every loss takes scores or features and returns one number per pair (or per row), without reduction, so that weights and
masks are the caller's: `.mean()` gives the published form. Torch is not imported here.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from guerdon.core.errors import ConfigError

Tensor: TypeAlias = Any


def bradley_terry(chosen: Tensor, rejected: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """`-log sigmoid(r_c - r_r - m)` of each pair (arXiv 2307.09288, equation 2; m is 0 in the plain form).

    A negative margin, of a pair whose strength contradicts its label, is what the formula says and is not clipped.

    Args:
        chosen: r_c.
        rejected: r_r.
        margin: m.
    """
    return -_log_sigmoid(chosen - rejected - margin)


def smoothed(chosen: Tensor, rejected: Tensor, smoothing: Tensor | float, margin: Tensor | float = 0.0) -> Tensor:
    """`-(1 - a) log p - a log(1 - p)` with `p = sigmoid(r_c - r_r - m)` (arXiv 2401.06080, section 3).

    a may differ by pair: 0.5 is a tie, 1 the other label, and a soft label q for the chosen side is a = 1 - q.

    Args:
        chosen: r_c.
        rejected: r_r.
        smoothing: a, from 0 to 1.
        margin: m.
    """
    gap = chosen - rejected - margin
    return -(1 - smoothing) * _log_sigmoid(gap) - smoothing * _log_sigmoid(-gap)


def choice_loss(first: Tensor, second: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of `r_1 - r_2` against the probability that the first is better; a tie is 0.5.

    Args:
        first: r_1.
        second: r_2.
        target: from 0 to 1.
    """
    return smoothed(first, second, 1 - target)


def score_l2(chosen: Tensor, rejected: Tensor) -> Tensor:
    """`(r_c^2 + r_r^2) / 2`, which keeps scores small; its usual weight is 0.001 (Open-Assistant)."""
    return (chosen**2 + rejected**2) / 2


def centring(chosen: Tensor, rejected: Tensor) -> Tensor:
    """`(r_c + r_r)^2`, which keeps scores centred but not close; its usual weight is 0.01 (arXiv 2312.09244)."""
    return (chosen + rejected) ** 2


def margin_of(strength: Tensor, *, scale: float = 1.0, cap: float = math.inf) -> Tensor:
    """The margin of a pair from its preference strength: `scale * mu`, at most `cap` either way.

    Args:
        strength: mu, the mean difference over members; negative where they contradict the label.
        scale: 1 takes it as it is; the authors advise small margins (MOSS-RLHF issue 43).
        cap: the largest, at least 0.
    """
    return (scale * strength).clamp(-cap, cap) if math.isfinite(cap) else scale * strength


def smoothing_of(strength: Tensor, smoothing: float) -> Tensor:
    """The smoothing of a pair from its strength: a where mu < 0, else 0 ("soft label", arXiv 2401.06080)."""
    return (strength < 0).to(strength.dtype) * smoothing


def flipped(strength: Tensor, share: float) -> Tensor:
    """Which pairs to flip: true for the `share` of lowest strength; of equal ones, the first.

    Args:
        strength: mu `(n,)`.
        share: from 0 to 1; 0.1 in the published runs.
    """
    if not 0 <= share <= 1:
        raise ConfigError("the share to flip is from 0 to 1", f"got {share}", "Use 0.1, say")
    rank = strength.argsort(stable=True).argsort()
    return rank < round(share * len(strength))


def simcse(source: Tensor, target: Tensor, tau: float = 0.05) -> Tensor:
    """`-log exp(cos(s_i, t_i) / tau) / sum_j exp(cos(s_i, t_j) / tau)` of each row (arXiv 2104.08821, equation 1).

    Args:
        source: features `(B, D)` of one view.
        target: of the other view of the same samples.
        tau: temperature; 0.05 is SimCSE's own.
    """
    logits = _unit(source) @ _unit(target).T / tau
    return -logits.log_softmax(-1).diagonal()


def differences(first: Tensor, second: Tensor) -> Tensor:
    """Features of the "-diff" variants: `f_c - f_r` of all pairs, then `f_r - f_c` `(2B, D)` (arXiv 2401.06080)."""
    import torch

    return torch.cat((first - second, second - first))


def sinkhorn(scores: Tensor, *, eps: float = 0.05, rounds: int = 3) -> Tensor:
    """Codes `(B, K)` whose rows sum to 1 and whose columns are used alike (arXiv 2006.09882, appendix).

    `exp(scores / eps)` with columns, then rows, brought to equal sums, `rounds` times. No gradient flows.

    Args:
        scores: products with prototypes `(B, K)`.
        eps: smaller is sharper.
        rounds: of normalisation.
    """
    log = scores.detach() / eps
    for _ in range(rounds):
        log = log - log.logsumexp(0, keepdim=True)
        log = log - log.logsumexp(1, keepdim=True)
    return log.exp()


def swav(source: Tensor, target: Tensor, prototypes: Tensor, *, tau: float = 0.1, eps: float = 0.05) -> Tensor:
    """`-(sum q_s log p_t + sum q_t log p_s)` of each row (arXiv 2006.09882, equation 1).

    Features and prototypes are scaled to length 1; `p = softmax(h . c / tau)`, and q are codes by `sinkhorn`.

    Args:
        source: features `(B, D)` of one view.
        target: of the other.
        prototypes: `(K, D)`.
        tau: temperature; 0.1 is SwAV's own.
        eps: of the codes.
    """
    products = [_unit(each) @ _unit(prototypes).T for each in (source, target)]
    codes = [sinkhorn(each, eps=eps) for each in products]
    logs = [(each / tau).log_softmax(-1) for each in products]
    return -(codes[0] * logs[1]).sum(-1) - (codes[1] * logs[0]).sum(-1)


def difference_loss(scores: Tensor) -> Tensor:
    """`J = (2 / k^2) sum_{i<j} sigmoid(|r_i - r_j|)` of each prompt (arXiv 2405.00438; arXiv 2401.06080, section 5).

    It is larger when the responses of a prompt are told apart. Between equal scores its gradient is 0.

    Args:
        scores: `(m, k)` of k responses to each of m prompts.
    """
    k = scores.shape[-1]
    gaps = (scores[..., :, None] - scores[..., None, :]).abs().sigmoid()
    return (gaps.sum((-2, -1)) - 0.5 * k) / k**2  # each pair occurs twice; the diagonal is sigmoid(0)


def _log_sigmoid(x: Tensor) -> Tensor:
    from torch.nn import functional as f

    return f.logsigmoid(x)


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-8)
