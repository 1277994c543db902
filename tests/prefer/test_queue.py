"""The queue: what was written is there again, whoever died in between."""

import json
import multiprocessing
from pathlib import Path

import pytest

from guerdon.core.errors import ConfigError, RewardError
from guerdon.prefer.queue import Item, Question, Queue, Ranked

QUESTION = Question("q1", (Item("a", "one"), Item("b", "two"), Item("c", "three")), 2, "Which?", 4, "rank", "find")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "queue.jsonl"


def test_questions_and_answers_are_there_in_another_process_s_view(path: Path) -> None:
    queue = Queue(path, clock=lambda: 12.5)
    queue.ask(QUESTION)
    assert [q.id for q in queue.open()] == ["q1"]
    queue.answer(Ranked("q1", ("c", "a"), "ann", seconds=1.25))
    other = Queue(path)
    assert other.questions() == [QUESTION]
    (found,) = other.answers("q1")
    assert (found.ranked, found.annotator, found.at, found.seconds) == (("c", "a"), "ann", 12.5, 1.25)
    assert sorted(found.shown) == ["a", "b", "c"]
    assert other.standing("q1") == "answered"
    assert other.standing("q1", annotators=2) == "open"


def test_the_file_has_the_published_form(path: Path) -> None:
    queue = Queue(path)
    queue.ask(QUESTION)
    queue.answer(Ranked("q1", ("b",), "ann"))
    line = json.loads(path.read_text().splitlines()[1])
    assert {name: line[name] for name in ("round", "mode", "ranked")} == {"round": 4, "mode": "rank", "ranked": ["b"]}
    assert sorted(line["shown"]) == ["a", "b", "c"]


def test_the_same_question_is_asked_once_and_another_one_needs_another_id(path: Path) -> None:
    queue = Queue(path)
    queue.ask(QUESTION)
    Queue(path).ask(QUESTION)
    assert len(path.read_text().splitlines()) == 1
    with pytest.raises(ConfigError, match="own id"):
        queue.ask(Question("q1", QUESTION.items, 1))


def test_a_line_that_was_being_written_is_left_out_and_overwritten(path: Path) -> None:
    queue = Queue(path)
    queue.ask(QUESTION)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "answer", "id": "q1", "ran')
    torn = Queue(path)
    assert torn.answers("q1") == []
    torn.answer(Ranked("q1", ("a",), "ann"))
    assert len(Queue(path).answers("q1")) == 1
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", '{"kind": "answer"}', '{"kind":"question","id":"x","items":[]}', '{"kind":1}' * 2]
)
def test_a_broken_line_is_named(path: Path, line: str) -> None:
    Queue(path).ask(QUESTION)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigError, match=r"line 2 of queue\.jsonl"):
        Queue(path)


def test_lines_of_another_kind_are_for_others(path: Path) -> None:
    Queue(path).ask(QUESTION)
    with path.open("a") as file:
        file.write('{"kind": "pair", "id": "p"}\n')
    assert [q.id for q in Queue(path).questions()] == ["q1"]


@pytest.mark.parametrize("ranked", [("x",), ("a", "a"), ("a", "b", "c")])
def test_answers_rank_what_was_shown_each_once_and_no_more_than_asked(path: Path, ranked: tuple[str, ...]) -> None:
    queue = Queue(path)
    queue.ask(QUESTION)
    with pytest.raises(RewardError):
        queue.answer(Ranked("q1", ranked, "ann"))
    with pytest.raises(RewardError):
        queue.answer(Ranked("other", ("a",), "ann"))
    assert queue.answers("q1") == []


def test_each_annotator_answers_once_and_may_take_it_back(path: Path) -> None:
    queue = Queue(path)
    queue.ask(QUESTION)
    queue.answer(Ranked("q1", ("a",), "ann"))
    queue.answer(Ranked("q1", (), "bob"))
    queue.answer(Ranked("q1", ("b",), "ann"))
    assert {r.annotator: r.ranked for r in Queue(path).answers("q1")} == {"ann": ("b",), "bob": ()}
    assert [r.skipped for r in queue.answers("q1")] == [False, True]
    assert queue.open("ann", annotators=3) == []
    assert queue.open("cas", annotators=3) == [QUESTION]
    queue.undo("q1", "ann")
    queue.undo("q1", "nobody")
    assert [r.annotator for r in Queue(path).answers("q1")] == ["bob"]


def test_annotators_see_shuffles_of_their_own_that_stay_the_same() -> None:
    question = Question("q", tuple(Item(str(i)) for i in range(8)))
    orders = {who: [item.id for item in question.shown(who)] for who in "abcdef"}
    assert all(sorted(order) == [str(i) for i in range(8)] for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 3
    assert [item.id for item in question.shown("a")] == orders["a"]


@pytest.mark.parametrize(
    ("items", "best"), [((), 1), ((Item("a"),), 1), ((Item("a"), Item("a")), 1), ((Item("a"), Item("b")), 3)]
)
def test_questions_that_ask_nothing_are_refused(items: tuple[Item, ...], best: int) -> None:
    with pytest.raises(ConfigError):
        Question("q", items, best)


def _write(path: str, who: str) -> None:
    queue = Queue(Path(path))
    for i in range(20):
        queue.ask(Question(f"q{i}", QUESTION.items))
        queue.answer(Ranked(f"q{i}", ("a",), who))


def test_several_writers_lose_nothing(path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_write, args=(str(path), who)) for who in ("ann", "bob", "cas")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    queue = Queue(path)
    assert len(queue.questions()) == 20
    assert all(len(queue.answers(question.id)) == 3 for question in queue.questions())
