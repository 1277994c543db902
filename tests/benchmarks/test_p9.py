import sys
from pathlib import Path

import pytest
from benchmarks.common import Plan, UnequalError
from benchmarks.meter import Load
from benchmarks.peers import CACHE, DRIVERS, Driver, sides
from rich.console import Console

from benchmarks import p9_explore, table

QUICK = Plan(rounds=1, quick=True)
WHITE, BLACK = 255 * p9_explore.AREA, 0


def test_exploring_is_measured_without_the_peer(capsys):
    pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')
    found = p9_explore.run(QUICK, Load(), lambda text: None)
    beside_floor, pixels, beside_peer = found["claims"]
    share = beside_floor["theirs"] / beside_floor["ours"]
    assert beside_floor["ratio"]["median"] == pytest.approx(share)
    assert beside_floor["floor"] == pytest.approx(share)
    assert 0.3 < share < 3
    assert pixels["ours"] > 0
    assert pixels["missing"] == ""
    assert (beside_peer["missing"], beside_peer["ratio"], beside_peer["met"]) == ("left out", None, None)
    assert found["cells"]["compared"] > 100
    table.show(found, Console(width=200))
    assert "frames/core-s" in capsys.readouterr().out


def test_all_sides_see_the_same_game_where_the_peer_is_installed():
    pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')
    python = CACHE / "p9" / "bin" / "python"
    if not (CACHE / "p9" / "complete.json").exists():
        pytest.importorskip("cv2", reason="needs `python -m benchmarks p9` once, or opencv-python-headless")
        python = Path(sys.executable)
    with sides("p9", {"opencv": [str(python), str(DRIVERS / "p9_opencv.py")]}) as drivers:
        assert p9_explore.prepare(drivers, 3, 1)["compared"] == 100
        ends = [drivers[side].ask("explore", loop=loop) for side, loop in p9_explore._loops(drivers).values()]
    assert len(ends) == 4
    assert all(end == ends[0] for end in ends)


def test_the_bare_emulator_and_ours_end_where_ours_ends_by_other_means():
    pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')
    from guerdon.worlds import AleWorld

    sys.path.insert(0, str(DRIVERS))
    try:
        from p9_work import SEED, actions, digest
    finally:
        sys.path.pop(0)
    world = AleWorld("montezuma_revenge")
    world.reset(SEED)
    for action in actions(1, 100):
        world.step(action)
    with Driver("floor", [sys.executable, str(DRIVERS / "p9_floor.py")]) as floor:
        floor.ask("prepare", count=1)
        assert floor.ask("explore", loop="bare") == {"steps": 100, "memory": digest([bytes(world.ram)])}


def test_without_the_emulator_the_benchmark_says_so(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = p9_explore.run(QUICK, Load(), lambda text: None)
    assert [claim["missing"] for claim in found["claims"]] == [p9_explore.EMULATOR]
    table.show(found, Console(width=200))
    assert "not measured" in capsys.readouterr().out
    assert "guerdon[worlds]" in table.readme_table([found])


@pytest.mark.parametrize(
    ("area", "level", "near", "fine"),
    [
        (WHITE, 8, 0.01, True),
        (WHITE, 7, 0.01, True),  # white itself lies on the last boundary
        (BLACK, 0, 0.01, True),
        (BLACK, 1, 0.51, False),
        (round(31.875 * p9_explore.AREA), 0, 0.01, True),
        (round(31.6 * p9_explore.AREA), 1, 0.01, False),
        (round(31.6 * p9_explore.AREA), 1, 0.51, True),  # OpenCV makes 32 of it
        (round(40.0 * p9_explore.AREA), 0, 0.51, False),
    ],
)
def test_levels_are_held_to_exact_averages(area, level, near, fine):
    if fine:
        p9_explore.check_levels("somebody", [[area]], [[level]], near)
    else:
        with pytest.raises(UnequalError, match=f"got level {level}"):
            p9_explore.check_levels("somebody", [[area]], [[level]], near)


def test_a_missing_cell_is_no_result():
    with pytest.raises(UnequalError, match="number of cells"):
        p9_explore.check_levels("somebody", [[0], [0]], [[0]], 0.01)
    with pytest.raises(UnequalError, match="size of a cell"):
        p9_explore.check_levels("somebody", [[0, 0]], [[0]], 0.01)
