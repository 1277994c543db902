"""What a learner has learned, as one value that can be kept and taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from guerdon.core.errors import SolverError
from guerdon.train.snapshots import Snapshot

FORMAT = "guerdon-training-1"


@dataclass(frozen=True)
class State:
    """What a learner has learned.

    Args:
        policy: weights of the policy and their moments.
        critic: the same of its value function, if it has one.
        numbers: what else a learner carries on, such as the weight of a penalty.
        iteration: iterations done.
    """

    policy: Snapshot
    critic: Snapshot | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    iteration: int = 0

    def with_policy(self, policy: Snapshot) -> State:
        """The same with another policy."""
        return replace(self, policy=policy)

    def save(self, folder: Path) -> None:
        """Write it into a folder: `policy/`, `critic/` and `state.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.policy.save(folder / "policy")
        if self.critic is not None:
            self.critic.save(folder / "critic")
        plain: dict[str, Any] = {"format": FORMAT, "numbers": dict(self.numbers), "iteration": self.iteration}
        (folder / "state.json").write_text(json.dumps(plain), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> State:
        """Read what `save` wrote.

        Raises:
            SolverError: it is not there, or not whole.
        """
        from safetensors import SafetensorError

        try:
            plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            critic = Snapshot.load(folder / "critic") if (folder / "critic").exists() else None
            numbers = {str(name): float(each) for name, each in plain["numbers"].items()}
            policy, iteration = Snapshot.load(folder / "policy"), int(plain["iteration"])
            known = plain["format"]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise SolverError(f"{folder.name} holds a state", str(error)[:200], "Train again from the start") from None
        if known != FORMAT:
            raise SolverError(f"a state of format {FORMAT}", f"got {known!r}", "Train again from the start")
        return cls(policy, critic, numbers, iteration)
