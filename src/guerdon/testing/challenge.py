"""What every challenge promises. Subclass, give the fixture `challenge`, and pytest does the rest."""

from __future__ import annotations

from guerdon.bench.check import Finding, check
from guerdon.core.challenge import Challenge
from guerdon.core.plain import canonical
from guerdon.core.recipe import identity


class ChallengeContract:
    """Plain tasks with ids of their own, no secret in a task, an oracle at the top, nothing for nothing, no cheating.

    Give a fixture `challenge`. Set `needs_probes = False` only for challenges that people judge.
    """

    needs_probes = True

    def findings(self, challenge: Challenge) -> list[Finding]:
        """The self-check of each split, in one list."""
        return [finding for split in challenge.splits for finding in check(challenge, split, on_step=lambda text: None)]

    def test_self_check_passes(self, challenge: Challenge) -> None:
        """Nothing that `guerdon check` looks at fails."""
        failed = [finding for finding in self.findings(challenge) if finding.ok is False]
        assert not failed, failed

    def test_probes_are_there(self, challenge: Challenge) -> None:
        """An oracle, do-nothing answers and at least one cheat, so that the check means something."""
        for split in challenge.splits:
            probes = challenge.probes(list(challenge.tasks(split))[:20])
            if self.needs_probes:
                assert probes.oracle
                assert probes.nothing
                assert probes.cheats

    def test_tasks_are_the_same_each_time_and_plain(self, challenge: Challenge) -> None:
        """Same ids, same data, and JSON all through."""
        for split in challenge.splits:
            once, twice = list(challenge.tasks(split)), list(challenge.tasks(split))
            assert [task.digest for task in once] == [task.digest for task in twice]
            assert all(canonical(task.data) for task in once)

    def test_identity_is_stable(self, challenge: Challenge) -> None:
        """The recipe can be written down."""
        assert identity(challenge) == identity(challenge)
