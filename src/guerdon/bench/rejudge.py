"""Judge recorded attempts again: a metric was mended, a host had failed. Adds verdicts, changes none."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Literal

from guerdon.bench.bench import first_verdict
from guerdon.bench.vault import Vault
from guerdon.bench.workers import open_workers
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ConfigError
from guerdon.core.recipe import identity
from guerdon.core.reward import Reward
from guerdon.ledger import Ledger, VerdictRow
from guerdon.ledger.codec import pack, unpack

Which = Literal["all", "faults", "host-faults"]


def rejudge(
    ledger: Ledger,
    run: str,
    challenge: Challenge,
    *,
    judge: Reward | None = None,
    which: Which = "host-faults",
    reason: str = "",
    workers: str = "inline",
    on_verdicts: Callable[[int], None] = lambda count: None,
) -> int:
    """Judge attempts of a run again and record the new verdicts beside the old; views take the newest.

    Args:
        ledger: where the run is.
        run: its id.
        challenge: the challenge it was on.
        judge: another judge than the challenge's.
        which: "all" attempts, those with "faults", or those with faults of the host or a provider.
        reason: recorded with each verdict, with a number where this judge has given it before.
        workers: as for `run`.
        on_verdicts: told how many verdicts have come, as they come.

    Returns:
        How many attempts were judged again.

    Raises:
        ConfigError: the challenge is judged by a preference.
        LedgerError: there is no such run, or somebody is working on it.
    """
    reward = judge or challenge.judge
    if not isinstance(reward, Reward):
        raise ConfigError("a challenge that is judged by a reward", f"{reward.name} compares", "Ask for new choices")
    row = ledger.run(run)
    vault, name = Vault(challenge, row.split), identity(reward)
    with ledger.lock(row.id), open_workers(workers, reward) as crew:
        rows = [attempt for attempt, verdict in ledger.judged(row.id) if _wanted(verdict, which)]
        mark = _fresh(ledger, row.id, name, reason or f"rejudge {int(time.time())}")
        for indices, reply in crew.judge(vault.cases([attempt.answer for attempt in rows])):
            share, now = reply.seconds / len(indices), time.time()
            ledger.judge(
                [
                    first_verdict(rows[i].id, name, score, reply.sandbox, share, now, mark)
                    for i, score in zip(indices, reply.scores, strict=True)
                ]
            )
            on_verdicts(len(indices))
    return len(rows)


def _fresh(ledger: Ledger, run: str, judge: str, reason: str) -> str:
    """The reason, told apart from those of earlier verdicts of this judge: a verdict is known by its reason."""
    sql = (
        "SELECT DISTINCT v.reason FROM verdicts v JOIN attempts a ON a.seq = v.attempt JOIN runs r ON r.seq = a.run "
        "WHERE r.id = ? AND v.judge = ?"
    )
    given = {unpack(told) for (told,) in ledger.query(sql, [pack(run), pack(judge)])}
    names = itertools.chain([reason], (f"{reason} ({count})" for count in itertools.count(2)))
    return next(name for name in names if name not in given)


def _wanted(verdict: VerdictRow | None, which: Which) -> bool:
    if verdict is None or which == "all":
        return True
    fault = verdict.score.fault
    return fault is not None and (which == "faults" or fault.whose == "host")
