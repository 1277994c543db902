"""Phase 1 against a plain transcription of its published steps, and the rules of one exploration on its own."""

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')

from guerdon.core.rng import stream
from guerdon.search.cells import CellArchive
from guerdon.search.selection import GO_EXPLORE_RUNS, GoExplore2021
from guerdon.systems.go_explore.explore import Kept, Place, Rules, Start, explore
from guerdon.systems.go_explore.memory import End, Memory
from guerdon.systems.go_explore.selection import missing_neighbours, weights
from guerdon.systems.go_explore.simulator import function_of, simulator
from guerdon.systems.go_explore.solver import Batch, GoExplore
from guerdon.systems.go_explore.verify import verify
from guerdon.worlds import KeyDoor

GRID = Place("guerdon/KeyDoor-v0", "{}", 400, 0)


def cell_at(world):
    return tuple(int(each) for each in world.observation)


class Transcript:
    """The card's steps, one by one, with whole trajectories instead of a log, and replays instead of snapshots."""

    def __init__(self, reset_counters: bool) -> None:
        self.reset_counters = reset_counters
        self.cells = {self.play([])[-1][0]: {"score": 0.0, "actions": [], "seen": 0, "chosen": 0, "new": 0}}
        self.done = None
        self.steps = 0

    @staticmethod
    def play(actions):
        grid = KeyDoor(1, autoreset=False)
        seen = [(tuple(int(x) for x in grid.reset(0)[0]), 0.0, False)]
        for action in actions:
            lanes = grid.step([action])
            over = bool(lanes.terminated[0] or lanes.truncated[0])
            seen.append((tuple(int(x) for x in lanes.final[0]), float(lanes.reward[0]), over))
            if over:
                break
        return seen

    def batch(self, seed, size, steps, keep) -> None:
        names = list(self.cells)
        weight = np.cumsum([1 / np.sqrt(self.cells[name]["seen"] + 1) for name in names])
        draws = stream(seed, "sample").random(size)
        chosen = [names[int(np.searchsorted(weight / weight.max(), u * 1.0, side="right"))] for u in draws]
        frozen = [(name, self.cells[name]["score"], list(self.cells[name]["actions"])) for name in chosen]
        for name in chosen:
            self.cells[name]["chosen"] += 1
            self.cells[name]["new"] += 1
        for i, (name, score, prefix) in enumerate(frozen):
            rng = stream(seed, "explore", i)
            fresh, change = rng.integers(0, 4, size=steps), rng.random(steps) >= keep
            actions = []
            for j in range(steps):
                actions.append(int(fresh[j]) if j == 0 or change[j] else actions[-1])
            self.bring(name, score, prefix, actions)

    def bring(self, name, score, prefix, actions) -> None:
        played = self.play([*prefix, *actions])[len(prefix) + 1 :]
        seen, accepted = set(), False
        for j, (cell, reward, over) in enumerate(played, 1):
            self.steps += 1
            score += reward
            way = [*prefix, *actions[:j]]
            if over:
                if self.done is None or (score, -len(way)) > (self.done[0], -len(self.done[1])):
                    self.done = (score, way)
                break
            known = self.cells.get(cell)
            if known is not None and cell not in seen:
                known["seen"] += 1
            if known is None or (score, -len(way)) > (known["score"], -len(known["actions"])):
                counters = {"seen": 0, "chosen": 0, "new": 0}
                if known is not None and not self.reset_counters:
                    counters = {each: known[each] for each in counters}
                if known is None and not self.reset_counters:
                    counters["seen"] = 1
                self.cells[cell] = {"score": score, "actions": way, **counters}
                accepted = True
            seen.add(cell)
        if accepted:
            self.cells[name]["new"] = 0


@pytest.mark.parametrize("reset_counters", [True, False])
def test_phase_1_is_its_transcription(reset_counters) -> None:
    solver = GoExplore(batch=12, explore_steps=30, keep=0.8, reset_cell_on_update=reset_counters)
    memory, plain = solver.begin(GRID), Transcript(reset_counters)
    for turn in range(12):
        seed = 1000 + turn
        records = solver.sample(GRID, memory, seed)
        ends = [End(each.score, each.length, each.pointer) for each in records]
        found = list(solver.explorations(GRID, memory, records, seed))
        solver.bring(memory, Batch(turn, seed, records, ends, found))
        plain.batch(seed, 12, 30, 0.8)
        archive = memory.archive
        assert list(archive.keys) == list(plain.cells)
        for row, cell in enumerate(plain.cells.values()):
            record = archive.record(archive.keys[row])
            assert memory.log.actions(record.pointer) == cell["actions"]
            assert (record.score, record.length) == (cell["score"], len(cell["actions"]))
            counters = archive.seen[row], archive.chosen[row], archive.since_new[row]
            assert counters == (cell["seen"], cell["chosen"], cell["new"])
        assert memory.steps == plain.steps
    assert len(memory.archive) > 20
    done = memory.done
    assert (done is None) == (plain.done is None)


def test_the_grid_is_solved_and_every_stored_trajectory_replays() -> None:
    solver = GoExplore(batch=50, explore_steps=50, keep=0.5)
    memory = solver.search(GRID, 101, 30_000)
    assert memory.best.score == 1.0
    assert 66 <= memory.best.length < 300
    found = verify(memory, GRID, cell_at)
    assert found.share == 1.0, found.wrong
    assert found.stored == len(memory.archive) + 1


OWN = """
def coarse(world):
    return tuple(round(2 * float(each)) for each in world.observation)
"""


@pytest.mark.parametrize("frozen", [True, False])
def test_only_cells_frozen_at_sampling_give_trajectories_that_replay(frozen, tmp_path) -> None:
    """Otherwise an earlier item of the batch replaces the cell, and its new way is joined to steps from the old one."""
    (tmp_path / "own_cells.py").write_text(OWN, encoding="utf-8")
    solver = GoExplore(batch=20, explore_steps=20, cells=f"{tmp_path}/own_cells.py:coarse")
    pole = Place("CartPole-v1", "{}", 200, 0)
    memory, held = solver.begin(pole), []
    for turn in range(4):
        records = solver.sample(pole, memory, turn)
        found = list(solver.explorations(pole, memory, records, turn))
        for record, one in zip(records, found):
            used = record if frozen else memory.archive.record(record.key)
            memory.take([used], [End(used.score, used.length, used.pointer)], [one])
        held.append(verify(memory, pole, function_of(solver.cells)).share)
    assert (min(held) == 1.0) is frozen


def test_what_is_found_does_not_depend_on_the_filter() -> None:
    """Workers offer everything that is new to them; the archive refuses what it would have refused at once."""
    solver = GoExplore(batch=20, explore_steps=40)
    memories = [solver.begin(GRID), solver.begin(GRID)]
    offered = [0, 0]
    for turn in range(6):
        for which, memory in enumerate(memories):
            records = solver.sample(GRID, memory, turn)
            ends = [End(each.score, each.length, each.pointer) for each in records]
            if which:
                found = [
                    explore(
                        simulator(*GRID), cell_at, memory.start(record), Rules(steps=40), stream(turn, "explore", i),
                        lambda *_: True,
                    )
                    for i, record in enumerate(records)
                ]  # fmt: skip
            else:
                found = list(solver.explorations(GRID, memory, records, turn))
            offered[which] += sum(len(one.offers) for one in found)
            solver.bring(memory, Batch(turn, turn, records, ends, found))
    assert told(memories[0]) == told(memories[1])
    assert offered[0] < offered[1]


class Falling:
    """A line to the right: a step on the third place falls, and the life is lost two steps later."""

    frames, carries = 1, True

    def __init__(self, lives: int = 2) -> None:
        self.first = lives
        self.reset()

    @property
    def world(self):
        return self

    def reset(self) -> None:
        self.place, self.left, self.falling, self.observation = 0, self.first, 0, None
        self.name = "falling"

    def step(self, action):
        self.place += 1
        self.falling += self.place >= 3
        if self.falling == 3:
            self.left, self.place, self.falling = self.left - 1, 0, 0
        return 1.0, self.left == 0

    def draw(self, count, keep, rng):
        return [0] * count

    def lives(self):
        return self.left

    def mark(self):
        return bytes(16)

    def save(self):
        return bytes([self.place, self.left, self.falling])

    def restore(self, token):
        self.place, self.left, self.falling = token


def fallen(**rules):
    sim = Falling()
    start = Start(0.0, 0, sim.save(), [])
    return explore(sim, lambda world: (world.place, world.left), start, Rules(**rules), stream(0), lambda *_: True)


@pytest.mark.parametrize(("drop", "kept"), [(0, 4), (1, 3), (2, 2), (9, 0)])
def test_steps_before_a_death_are_not_stored(drop, kept) -> None:
    found = fallen(drop=drop)
    assert found.over
    assert found.actions == [0] * 5
    assert [offer.key for offer in found.offers] == [(i + 1, 2) for i in range(kept)]
    assert found.seen == [(i + 1, 2) for i in range(kept)]
    assert found.score == 5.0


def test_to_the_end_of_the_game_both_lives_are_played() -> None:
    found = fallen(stop_at_death=False)
    assert found.over
    assert len(found.actions) == 10
    assert [offer.step for offer in found.offers] == list(range(1, 10))
    assert not fallen(stop_at_death=False, steps=7).over


def test_in_a_cell_only_a_higher_score_is_offered_again() -> None:
    sim = Falling(lives=9)
    rules = Rules(steps=30, stop_at_death=False)
    found = explore(sim, lambda world: 0, Start(0.0, 0, sim.save(), []), rules, stream(0), lambda *_: True)
    assert [offer.score for offer in found.offers] == [float(i + 1) for i in range(30)]
    assert found.seen == [0] * 30


def test_a_snapshot_is_packed_and_unpacked() -> None:
    for kept in (Kept(bytes(16), b"", None), Kept(b"m" * 16, b"frame", b"token" * 99), Kept(b"m" * 16, b"f", None)):
        assert Kept.of(kept.pack()) == kept


def test_missing_neighbours_of_ram_cells() -> None:
    archive = CellArchive()
    cells = [(0, 1, 0, 5, 5), (0, 1, 0, 6, 5), (0, 1, 1, 5, 5), (0, 2, 0, 7, 5), (1, 1, 0, 5, 6)]
    archive.add(cells, [0.0] * 5, range(5))
    missing = missing_neighbours(archive, "montezuma")
    assert missing.tolist() == [[1, 2, 0], [1, 2, 1], [2, 2, 1], [2, 2, 1], [2, 2, 1]]
    rule = GO_EXPLORE_RUNS["2021 montezuma, domain knowledge"]
    found = weights(archive, rule, "montezuma")
    by_hand = [0.1 * each for each in (0.1 + 1, 0.1 + 1 + 1, 0.2 + 1 + 1, 0.2 + 1 + 1)] + [0.2 + 1 + 1]
    assert np.allclose(found, by_hand)
    archive = CellArchive()
    archive.add([(0, 3, 4), (0, 4, 4)], [0.0] * 2, [1, 2])
    assert missing_neighbours(archive, "pitfall").tolist() == [[1, 2, 1], [1, 2, 1]]
    assert weights(archive, GoExplore2021(), None).tolist() == [1.0, 1.0]


def test_counters_survive_saving_and_the_search_goes_on_as_before(tmp_path) -> None:
    solver = GoExplore(batch=20, explore_steps=40)
    whole = solver.search(GRID, 7, 3000)
    half = solver.search(GRID, 7, 3000)
    half.save(tmp_path)
    again = Memory.load(tmp_path)
    assert not again.live
    assert again.live != half.live  # deep copies stay in this process; what is missing is played again
    for memory in (whole, again):
        for turn in range(5):
            records = solver.sample(GRID, memory, turn)
            ends = [End(each.score, each.length, each.pointer) for each in records]
            found = list(solver.explorations(GRID, memory, records, turn))
            solver.bring(memory, Batch(turn, turn, records, ends, found))
    assert told(again) == told(whole)


def told(memory):
    archive = memory.archive
    counters = archive.seen.tolist(), archive.chosen.tolist(), archive.since_new.tolist()
    ways = [memory.log.actions(archive.record(key).pointer) for key in archive.keys]
    return archive.keys, archive.scores.tolist(), ways, counters, memory.done, memory.steps, memory.rooms
