"""What a judge says of keys, of its own case's and of others'."""

from collections.abc import Sequence
from dataclasses import dataclass

from guerdon import Answer, Case, Reward, Score, Task
from guerdon.hosting.evaluate import Guarded


@dataclass(frozen=True, kw_only=True)
class Careless(Reward):
    whole: bool = False

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        said = f"expected {[case.key for case in cases]}"
        if self.whole:
            raise ValueError(said)
        return [Score.failed("judge", said, "judge") for _ in cases]


def test_no_fault_names_the_key_of_another_case() -> None:
    cases = [Case(Task(f"t{i}", {}), Answer(f"t{i}", i), {"text": f"secret number {i}"}) for i in range(3)]
    for whole in (True, False):
        for score in Guarded(inner=Careless(whole=whole))(cases):
            assert score.fault is not None
            assert "secret number" not in score.fault.detail
            assert "[key]" in score.fault.detail
