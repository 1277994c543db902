import itertools

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.worlds import World, clip, film, perform, pictures, sheet

EXTRA = 'needs pip install "guerdon[worlds]"'


@pytest.fixture
def trajectory():
    pytest.importorskip("gymnasium", reason=EXTRA)
    return perform(World("guerdon/KeyDoor-v0"), 0, [1, 1, 1, 2, 2, 2, 3])


def test_a_gif_shows_every_step(trajectory, tmp_path) -> None:
    imageio = pytest.importorskip("imageio.v3", reason=EXTRA)
    shown = list(pictures(trajectory))
    assert len(shown) == len(trajectory.actions) + 1
    path = film(trajectory, tmp_path / "walk.gif", fps=10)
    different = sum(bool((a != b).any()) for a, b in itertools.pairwise(shown))
    assert imageio.imread(path).shape[0] == different + 1  # a GIF shows equal pictures as one, for longer
    frames = list(pictures(trajectory, every=3))
    assert len(frames) == 4
    assert not (frames[0] == frames[1]).all()


def test_mp4_is_written_or_says_what_is_missing(trajectory, tmp_path) -> None:
    pytest.importorskip("imageio.v3", reason=EXTRA)
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match=r"imageio\[ffmpeg\]"):
            film(trajectory, tmp_path / "walk.mp4")
    else:
        assert film(trajectory, tmp_path / "walk.mp4").stat().st_size > 0


def test_what_cannot_be_drawn_is_refused(kit, trajectory, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"\.gif or \.mp4"):
        film(trajectory, tmp_path / "walk.avi")
    with pytest.raises(ConfigError, match="a world that renders"):
        list(pictures(trajectory, World("guerdon/KeyDoor-v0")))
    for rooms in ({}, {1: np.zeros((2, 2, 3), np.uint8), 2: np.zeros((3, 2, 3), np.uint8)}):
        with pytest.raises(ConfigError, match="pictures of one size"):
            sheet(rooms, tmp_path / "x.png")


def test_a_clip_is_thinned_until_it_is_small_enough() -> None:
    import io

    imageio = pytest.importorskip("imageio.v3", reason='needs pip install "guerdon[worlds]"')
    rng = np.random.default_rng(0)
    shown = [rng.integers(256, size=(40, 40, 3)).astype(np.uint8) for _ in range(16)]
    whole = clip(shown)
    small = clip(shown, most=len(whole) // 3)
    assert len(small) <= len(whole) // 3
    assert len(imageio.imread(io.BytesIO(small), extension=".gif", index=None)) == 4
    with pytest.raises(ConfigError, match="for one picture"):
        clip(shown, most=10)
