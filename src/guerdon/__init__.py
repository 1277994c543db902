"""guerdon: a workbench for reward-driven problem solving.

Challenge ──tasks──▶ Solver ──answers──▶ Bench (judges) ──attempts──▶ Ledger ──▶ leaderboard, report, dataset
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guerdon.bench.run import Run, run
    from guerdon.core.algebra import by_group, centred, ensemble, gate, ranked, standardised, worst_of
    from guerdon.core.budget import Budget
    from guerdon.core.card import Card
    from guerdon.core.challenge import Challenge, Landmark, Picture, Probes, Visibility
    from guerdon.core.errors import (
        BudgetError,
        ChallengeError,
        ConfigError,
        GuerdonError,
        LedgerError,
        ProviderError,
        RewardError,
        SandboxError,
        SolverError,
    )
    from guerdon.core.plain import Blob
    from guerdon.core.preference import Choice, Pair, Preference, against, both_orders, from_reward
    from guerdon.core.reward import Need, Reward, reward
    from guerdon.core.score import Fault, FaultKind, Score
    from guerdon.core.solver import Desk, Learner, Problem, Solver
    from guerdon.core.task import Answer, Case, Judged, Task
    from guerdon.ledger import Ledger

__version__ = "0.1.0"

_HOMES = {
    "bench.run": "Run run",
    "core.algebra": "by_group centred ensemble gate ranked standardised worst_of",
    "core.budget": "Budget",
    "core.card": "Card",
    "core.challenge": "Challenge Landmark Picture Probes Visibility",
    "core.errors": "BudgetError ChallengeError ConfigError GuerdonError LedgerError ProviderError RewardError "
    "SandboxError SolverError",
    "core.plain": "Blob",
    "core.preference": "Choice Pair Preference against both_orders from_reward",
    "core.reward": "Need Reward reward",
    "core.score": "Fault FaultKind Score",
    "core.solver": "Desk Learner Problem Solver",
    "core.task": "Answer Case Judged Task",
    "ledger": "Ledger",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Answer", "Blob", "Budget", "BudgetError", "Card", "Case", "Challenge", "ChallengeError", "Choice", "ConfigError",
    "Desk", "Fault", "FaultKind", "GuerdonError", "Judged", "Landmark", "Learner", "Ledger", "LedgerError", "Need",
    "Pair", "Picture", "Preference", "Probes", "Problem", "ProviderError", "Reward", "RewardError", "Run",
    "SandboxError", "Score", "Solver", "SolverError", "Task", "Visibility", "__version__", "against", "both_orders",
    "by_group", "centred", "ensemble", "from_reward", "gate", "ranked", "reward", "run", "standardised", "worst_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'guerdon' has no attribute {name!r}")
    value = getattr(import_module(f"guerdon.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
