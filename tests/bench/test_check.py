"""Broken challenges, each caught by the self-check or at the door (rows D5 to D12 of the hostile list)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from bench_helpers import Guess, Near

from guerdon import Answer, Case, Challenge, ChallengeError, Probes, Reward, Task, Visibility
from guerdon.bench.check import Finding, check
from guerdon.bench.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Sound(Guess):
    """Nothing is wrong with it."""

    def probes(self, tasks: Sequence[Task]) -> Probes:
        return Probes(
            oracle=[Answer(task.id, key) for task, key in zip(tasks, self.keys(tasks), strict=True)],
            nothing=[Answer(task.id, None) for task in tasks],
            cheats={"text": [Answer("n0", "1e9")]},
        )


def failed(challenge: Challenge, split: str = "main") -> dict[str, Finding]:
    return {finding.name: finding for finding in check(challenge, split, lambda text: None) if finding.ok is False}


def test_a_sound_challenge_passes() -> None:
    assert failed(Sound()) == {}


def test_an_oracle_below_the_top_is_named_with_its_number() -> None:
    class Short(Sound):
        def probes(self, tasks: Sequence[Task]) -> Probes:
            return Probes(oracle=[Answer("n0", 4)])

    assert failed(Short())["the oracle reaches the top"].examples == ["n0: 0.5"]


def test_doing_nothing_that_scores_is_found() -> None:
    class Generous(Sound):
        def probes(self, tasks: Sequence[Task]) -> Probes:
            return Probes(nothing=[Answer("n0", 0)])

    assert failed(Generous())["doing nothing earns nothing"].examples == ["n0: 0.25"]


def test_a_cheat_that_pays_is_found_by_name() -> None:
    class Gullible(Sound):
        def probes(self, tasks: Sequence[Task]) -> Probes:
            return Probes(cheats={"guess three": [Answer("n0", 3)]})

    assert "cheat gains nothing: guess three" in failed(Gullible())


def test_a_key_inside_a_task_is_found_wherever_it_hides() -> None:
    class Leaky(Sound):
        def tasks(self, split: str) -> Iterable[Task]:
            return [Task("n0", {"meta": {"exif": ["x", "the canary-7731 sings"]}})]

        def secrets(self, tasks: Sequence[Task]) -> list[str]:
            return ["canary-7731"]

    assert failed(Leaky())["no secret is in a task"].examples == ["n0"]


def test_splits_that_share_a_task_are_found() -> None:
    class Overlapping(Sound):
        splits: ClassVar[dict[str, Visibility]] = {"main": Visibility.OPEN, "final": Visibility.SEALED}  # type: ignore[misc]

    assert failed(Overlapping())["splits share no task"].examples[0] == "n0 (final)"


@dataclass(frozen=True)
class Drifting(Near):
    """Its score depends on the place in the batch."""

    def judge(self, cases: Sequence[Case]) -> list[Any]:
        return [index / 10 for index, _ in enumerate(cases)]


@dataclass(frozen=True)
class Meddling(Near):
    """It changes what it is given."""

    def judge(self, cases: Sequence[Case]) -> list[Any]:
        for case in cases:
            if isinstance(case.answer.content, list):
                case.answer.content.append(0)
        return [0.0] * len(cases)


def test_a_judge_that_depends_on_the_batch_or_changes_its_cases_is_found() -> None:
    class Odd(Sound):
        kind: ClassVar[type[Reward]] = Drifting

        @property
        def judge(self) -> Any:
            return self.kind()

        def probes(self, tasks: Sequence[Task]) -> Probes:
            return Probes(nothing=[Answer("n0", [1]), Answer("n1", [2])], floor=1.0)

    class Worse(Odd):
        kind: ClassVar[type[Reward]] = Meddling

    name = "scores do not depend on the batch"
    assert failed(Odd())[name].examples == ["n0", "n1"]
    assert "changed an answer" in failed(Worse())[name].detail


def test_tasks_that_change_between_two_looks_are_found() -> None:
    count = iter(range(1000))

    class Moody(Sound):
        def tasks(self, split: str) -> Iterable[Task]:
            return [Task("n0", {"prompt": next(count)})]

    assert "tasks are the same each time" in failed(Moody())


BAD_IDS = ["", " a", "a\n", "a\x00", "x" * 201, "../a", "/etc", "a\\b", "\u202ea", "a\u200b"]


@pytest.mark.parametrize("name", BAD_IDS)
def test_ids_that_could_do_harm_are_refused(name: str) -> None:
    class Odd(Sound):
        def tasks(self, split: str) -> Iterable[Task]:
            return [Task(name)]

    with pytest.raises(ChallengeError, match="id"):
        Vault(Odd(), "main")


@pytest.mark.parametrize(
    ("tasks", "match"),
    [
        ([Task("a"), Task("a")], "comes twice"),
        ([Task("a", {"x": float("nan")})], r"a\.data\.x is nan"),
        ([Task("a", {"x": object()})], r"a\.data\.x is a object"),  # type: ignore[dict-item]
        (["a"], "got a str instead of a Task"),
    ],
)
def test_tasks_that_are_not_plain_are_refused(tasks: list[Any], match: str) -> None:
    class Odd(Sound):
        def tasks(self, split: str) -> Iterable[Task]:
            return tasks

    with pytest.raises(ChallengeError, match=match):
        Vault(Odd(), "main")


def test_tasks_that_raise_half_way_are_the_challenges_error() -> None:
    class Torn(Sound):
        def tasks(self, split: str) -> Iterable[Task]:
            yield Task("a")
            raise KeyError("row 2")

    with pytest.raises(ChallengeError, match="KeyError: 'row 2'"):
        Vault(Torn(), "main")


def test_a_wrong_number_of_keys_is_refused_and_the_vault_shows_none() -> None:
    class Short(Sound):
        def keys(self, tasks: Sequence[Task]) -> Sequence[int]:
            return [1]

    vault = Vault(Short(), "main")
    with pytest.raises(ChallengeError, match="one key per task"):
        vault.cases([Answer("n0", 1), Answer("n1", 1)])
    vault = Vault(Sound(numbers=(987654321,)), "main")
    vault.cases([Answer("n0", 1)])
    assert "987654321" not in repr(vault)
