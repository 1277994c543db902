"""Ray actors as workers: the same protocol on one machine or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guerdon.bench.loading import loaded_files
from guerdon.bench.workers import Reply, judge_here
from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.task import Case
from guerdon.sandbox import shared


class _Judge:
    """Runs in an actor process."""

    def __init__(self, reward: Reward, backend: str) -> None:
        shared.configure(backend, workers=1)
        self._reward = reward

    def judge(self, cases: Sequence[Case]) -> Reply:
        return judge_here(self._reward, cases)


class RaySlot:
    """One actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor, self.pending = ray, actor, None

    def send(self, cases: Sequence[Case]) -> None:
        """Start judging a batch."""
        self.pending = self._actor.judge.remote(list(cases))

    def kill(self) -> None:
        """End the actor's process; it is not restarted."""
        self._ray.kill(self._actor, no_restart=True)


def join(address: str | None) -> tuple[Any, bool]:
    """Ray, on a running cluster (`ADDRESS`, or `auto`) or on one started here; and whether it is ours to end.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray for --workers ray", "it is not installed", 'pip install "guerdon[ray]"') from None
    mine = not ray.is_initialized()
    if mine:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    return ray, mine


class RayCrew:
    """Actors of one CPU each, on a running cluster (`ADDRESS`, or `auto`) or on one started here for this run."""

    def __init__(self, reward: Reward, address: str | None = None) -> None:
        if loaded_files():
            raise ConfigError(
                "challenges on Ray come from an installed package",
                f"got the file {loaded_files()[0]}",
                "Install it as a package on every node, or use --workers processes:N",
            )
        self._ray, self._mine = join(address)
        self._reward = reward
        self.size = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self.name = f"ray:{self.size}"
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0)(_Judge)

    def start(self) -> RaySlot:
        """A fresh actor."""
        return RaySlot(self._ray, self._actor.remote(self._reward, shared.backend()))

    def wait(self, slots: Sequence[RaySlot], timeout: float) -> list[tuple[RaySlot, Reply | None]]:
        """Actors that replied or died."""
        by_ref = {slot.pending: slot for slot in slots}
        ready, _ = (
            self._ray.wait(list(by_ref), num_returns=len(by_ref), timeout=timeout)
            if timeout == 0
            else (self._ray.wait(list(by_ref), num_returns=1, timeout=timeout))
        )
        return [(by_ref[ref], self._reply(ref)) for ref in ready]

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._mine:
            self._ray.shutdown()

    def _reply(self, ref: Any) -> Reply | None:
        try:
            reply: Reply = self._ray.get(ref)
        except self._ray.exceptions.RayError:
            return None
        return reply
