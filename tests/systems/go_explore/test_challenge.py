"""The two games as challenges: contract, parts by RAM, hostile answers, landmarks, pictures."""

import io

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')

from guerdon.core.task import Answer, Blob, Case
from guerdon.systems.go_explore.challenge import FIRST_KEY, Montezuma, Pitfall, unrolled
from guerdon.testing.challenge import ChallengeContract
from guerdon.worlds import AleWorld


class TestMontezuma(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> Montezuma:
        return Montezuma(max_steps=500)


class TestPitfall(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> Pitfall:
        return Pitfall(max_steps=200)

    def test_probes_are_there(self, challenge) -> None:
        probes = challenge.probes(challenge.tasks("main"))
        assert probes.nothing
        assert probes.cheats


def judged(challenge, *contents):
    (task,) = challenge.tasks("main")
    (key,) = challenge.keys([task])
    return challenge.judge([Case(task, Answer(task.id, content), key) for content in contents])


def test_the_return_is_that_of_a_plain_replay() -> None:
    world = AleWorld("montezuma_revenge")
    world.reset(0)
    actions, total = unrolled(FIRST_KEY), 0
    for action in actions:
        total += world.act(action)
    (score,) = judged(Montezuma(), actions)
    assert (score.value, total) == (100.0, 100)
    assert score.parts == {"steps": len(actions), "ended": 0.0, "rooms": 1.0, "level": 0.0}


def test_points_lost_in_pitfall_count() -> None:
    rng = np.random.default_rng(3)
    found = judged(Pitfall(), *[rng.integers(18, size=300).tolist() for _ in range(3)], [])
    assert min(score.value for score in found) < 0
    assert found[-1].value == 0.0
    assert max(score.parts["rooms"] for score in found) >= 1


HOSTILE = [
    None, "0 1 2", 3, True, {"go": [0]}, [True], [1.0], [float("inf")], ["0"], [[0]], [None], [18], [-1], [10**400],
    [0] * 10**7, [{"a": 1}], [0, 0, "x"], Blob.of(b"x"),
]  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: str(content)[:16])
def test_hostile_answers_are_faults_of_the_solver_and_have_no_picture(content) -> None:
    challenge = Montezuma()
    (score,) = judged(challenge, content)
    assert score.fault is not None
    assert (score.fault.kind, score.fault.whose) == ("invalid", "solver")
    (task,) = challenge.tasks("main")
    assert challenge.pictures(task, Answer(task.id, content)) == ()


def test_pictures_show_the_rooms_and_the_way() -> None:
    import imageio.v3 as imageio

    challenge = Montezuma()
    (task,) = challenge.tasks("main")
    actions = unrolled(FIRST_KEY) * 4
    sheet, film = challenge.pictures(task, Answer(task.id, actions))
    assert (sheet.media, film.media) == ("image/png", "image/gif")
    assert sheet.caption == "2 rooms, in the order visited"
    page = imageio.imread(io.BytesIO(sheet.data), extension=".png")
    assert page.shape == (210, 324, 3)
    frames = imageio.imread(io.BytesIO(film.data), extension=".gif", index=None)
    assert 60 <= len(frames) <= 121
    assert len(film.data) <= 1_500_000
    assert len({frame.tobytes() for frame in frames}) > 20


def test_landmarks_say_which_are_policies_and_which_searches() -> None:
    for challenge in (Montezuma(), Pitfall()):
        (task,) = challenge.tasks("main")
        marks = challenge.landmarks(task)
        assert len(marks) >= 5
        assert all(mark.name.split(":")[0] in ("policy under sticky actions", "search") for mark in marks)
        assert all(mark.source for mark in marks)
        assert {mark.measure for mark in marks} == {"", "rooms"}
