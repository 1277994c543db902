import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.worlds import (
    AleWorld,
    PixelCell,
    Rooms,
    World,
    WorldError,
    check_snapshot,
    film,
    montezuma_cell,
    perform,
    pitfall_cell,
    sheet,
)
from guerdon.worlds.snapshot import AleSnapshot

EXTRA = 'needs pip install "guerdon[worlds]"'


@pytest.fixture
def montezuma() -> AleWorld:
    pytest.importorskip("ale_py", reason=EXTRA)
    return AleWorld("montezuma_revenge")


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_the_raw_emulator_is_faithful_from_the_first_step(sticky) -> None:
    pytest.importorskip("ale_py", reason=EXTRA)
    found = check_snapshot(AleWorld("montezuma_revenge", sticky=sticky), stream(0, "ale"), trials=3)
    assert (found.ok, found.way) == (True, "own"), found


@pytest.mark.parametrize(("sticky", "way"), [(0.0, "ale"), (0.25, "replay")])
def test_gymnasium_ids_are_faithful_and_replayed_where_actions_stick(sticky, way) -> None:
    pytest.importorskip("gymnasium", reason=EXTRA)
    pytest.importorskip("ale_py", reason=EXTRA)
    world = World("ALE/MontezumaRevenge-v5", max_steps=25, arguments={"repeat_action_probability": sticky})
    found = check_snapshot(world, stream(0, "ale"), trials=3, before=10, after=15)
    assert (found.ok, found.way) == (True, way), found
    assert "rom" in world.identity()


def test_the_check_finds_that_the_emulator_forgets_the_action_that_sticks() -> None:
    pytest.importorskip("gymnasium", reason=EXTRA)
    pytest.importorskip("ale_py", reason=EXTRA)
    world = World("ALE/MontezumaRevenge-v5", max_steps=25, arguments={"obs_type": "ram"})
    with pytest.raises(ConfigError, match="without sticky actions"):
        AleSnapshot(world)
    forgetful = object.__new__(AleSnapshot)
    forgetful.world = world
    assert not check_snapshot(world, stream(0, "ale"), forgetful, trials=6, before=10, after=15).ok


def test_actions_stick_as_often_as_said() -> None:
    pytest.importorskip("ale_py", reason=EXTRA)
    world = AleWorld("montezuma_revenge", sticky=0.25, frame_skip=1)
    world.reset(7)
    assert abs(np.mean([world._sticks(frame) for frame in range(8000)]) - 0.25) < 0.02
    held = 0
    for frame in range(60):
        world.act(frame % 5)
        held = held if world._sticks(frame) else frame % 5
        assert world._held == held


def test_after_a_restore_ram_is_right_and_the_screen_is_right_a_step_later(montezuma) -> None:
    montezuma.reset(0)
    token, ram = montezuma.save(), bytes(montezuma.ram)
    for _ in range(30):
        montezuma.act(montezuma.action_meanings.index("RIGHT"))
    montezuma.restore(token)
    assert bytes(montezuma.ram) == ram
    assert (montezuma.frames, montezuma.steps, montezuma.actions) == (0, 0, [])
    step = montezuma.step(0)
    screen = montezuma.grey()
    montezuma.reset(0)
    assert (montezuma.step(0).observation == step.observation).all()
    assert (montezuma.grey() == screen).all()


def test_seeds_decide_sticky_actions() -> None:
    pytest.importorskip("ale_py", reason=EXTRA)
    world = AleWorld("montezuma_revenge", sticky=0.25, frame_skip=1)
    ends = []
    for seed in (0, 0, 1, 2**32 - 1):
        rng = np.random.default_rng(0)
        world.reset(seed)
        ends.append([bytes(world.step(world.sample(rng)).observation) for _ in range(150)])
    assert ends[0] == ends[1]
    assert ends[0] != ends[2] != ends[3]


def test_the_emulator_refuses_what_is_impossible(montezuma) -> None:
    with pytest.raises(WorldError, match="a running episode"):
        montezuma.step(0)
    montezuma.reset(0)
    for action in (18, -1, True, 1.0, "0"):
        with pytest.raises(WorldError, match="an action from 0 to 17"):
            montezuma.step(action)
    short = AleWorld("montezuma_revenge", max_frames=8, observe="none")
    short.reset(0)
    assert [short.step(np.int64(0)).truncated for _ in range(2)] == [False, True]
    with pytest.raises(WorldError):
        short.step(0)
    with pytest.raises(ConfigError, match="Did you mean montezuma_revenge"):
        AleWorld("montezuma_revange")


def averaged(screen: np.ndarray) -> np.ndarray:
    """Area averages by the book, one pixel share at a time."""
    cells = np.zeros((8, 11))
    for i in range(8):
        for j in range(11):
            rows = [max(0.0, min(k + 1, (i + 1) * 210 / 8) - max(k, i * 210 / 8)) for k in range(210)]
            columns = [max(0.0, min(k + 1, (j + 1) * 160 / 11) - max(k, j * 160 / 11)) for k in range(160)]
            cells[i, j] = np.array(rows) @ screen.astype(float) @ np.array(columns) / (sum(rows) * sum(columns))
    return cells


def test_the_pixel_cell_is_area_averaging() -> None:
    rng = np.random.default_rng(0)
    screens = [rng.integers(256, size=(210, 160)).astype(np.uint8), np.zeros((210, 160), np.uint8)]
    screens += [(screens[0] // 64 * 64), np.full((210, 160), 255, np.uint8), np.triu(screens[0])]
    for screen in screens:
        exact = 8 * averaged(screen) / 255
        found = np.frombuffer(PixelCell()(screen), np.uint8).reshape(8, 11)
        near = np.abs(exact - np.round(exact)) < 1e-4
        assert (found == np.floor(exact))[~near].all()
        assert (np.abs(found - exact) <= 1.0001).all()


def test_cells_and_rooms_of_montezuma(montezuma) -> None:
    montezuma.reset(0)
    cell = montezuma_cell(montezuma.ram)
    assert (cell.level, cell.room, cell.keys) == (0, 1, 0)
    for _ in range(6):
        montezuma.act(montezuma.action_meanings.index("RIGHT"))
    assert montezuma_cell(montezuma.ram).x > cell.x
    rooms = Rooms()
    assert rooms.see(cell, montezuma.render())
    assert not rooms.see(cell)
    assert list(rooms.pictures) == [(0, 1)]


def test_rooms_of_pitfall_are_counted_both_ways() -> None:
    pytest.importorskip("ale_py", reason=EXTRA)
    world = AleWorld("pitfall")
    world.reset(0)
    assert pitfall_cell(world.ram).room == 0
    left = world.action_meanings.index("LEFT")
    seen = []
    for _ in range(80):
        world.act(left)
        seen.append(pitfall_cell(world.ram).room)
    assert list(dict.fromkeys(seen))[:2] == [0, 254]


def test_an_episode_of_montezuma_as_film_and_rooms_as_sheet(montezuma, tmp_path) -> None:
    imageio = pytest.importorskip("imageio.v3", reason=EXTRA)
    rng = np.random.default_rng(0)
    trajectory = perform(montezuma, 0, [int(a) for a in rng.integers(18, size=20)])
    path = film(trajectory, tmp_path / "m.gif", every=5)
    assert imageio.imread(path).shape == (5, 210, 160, 3)
    pictures = {(0, room): np.full((210, 160, 3), room, np.uint8) for room in range(7)}
    page = imageio.imread(sheet(pictures, tmp_path / "rooms.png", columns=3))
    assert page.shape == (3 * 214 - 4, 3 * 164 - 4, 3)
    assert (page[214:424, :160] == 3).all()
