"""Curves: what is drawn of lines and of the measures of an experiment."""

import xml.etree.ElementTree as ElementTree

import numpy as np

from guerdon.report.curves import Line, figure, is_point, of_experiment, page, write


def line(name: str, ys: list[float], **more) -> Line:
    return Line(name, np.arange(len(ys), dtype=float), np.array(ys), **more)


def test_a_figure_says_where_each_curve_is_highest_and_has_all_numbers() -> None:
    made = figure("f", "Gold", "√KL", "gold", [line("one", [0.0, 2.0, 1.0]), line("two", [0.0, 1.0, 3.0])])
    assert made.says == "one: highest 2 at √KL 1, 1 at the end.\ntwo: highest at the end, 3."
    assert made.rows[1] == ("one", "1", "2")
    assert len(made.rows) == 6
    assert made.legend == (("one", 0), ("two", 1))
    assert len(ElementTree.fromstring(made.svg).findall(".//path[@class='line c0 d0']")) == 1


def test_a_broken_line_has_the_colour_of_the_whole_one_in_its_place() -> None:
    lines = [line("a", [0, 1]), line("a, proxy", [0, 2], dashed=True), line("b", [0, 1]), line("b, proxy", [1, 2], dashed=True)]  # fmt: skip  # noqa: E501
    assert [place for _, place in figure("f", "t", "x", "y", lines).legend] == [0, 8, 1, 9]


def test_whiskers_are_inside_the_drawing() -> None:
    made = figure("f", "t", "x", "y", [line("a", [0.0, 1.0], errors=np.array([0.5, np.nan]))])
    assert made.svg.count("whisker") == 2


def test_points_of_an_experiment_become_a_figure_for_each_arm_and_measure() -> None:
    means = {
        "gold, UWO @ √KL = 1.5": 2.0,
        "gold, UWO @ √KL = 0.5": 1.0,
        "gold, mean @ √KL = 0.5": 0.0,
        "gold of UWO": 9,
    }
    made = of_experiment({"means": {"noise": means, "none": {"KL @ step = 1": 0.1, "KL @ step = 2": 0.2}}})
    assert [each.title for each in made] == ["gold over √KL, noise", "KL over step, none"]
    assert made[0].rows == (("UWO", "0.5", "1"), ("UWO", "1.5", "2"), ("mean", "0.5", "0"))
    assert made[1].rows[0][0] == "none"
    assert is_point("KL @ step = 2")
    assert not is_point("accuracy @ 3")


def test_a_page_escapes_what_it_is_given(tmp_path) -> None:
    made = figure("f", "<b>", "x", "y", [line("<script>", [0.0, 1.0])])
    assert "<script>" not in page("<i>", "lead", [made])
    assert "&lt;script&gt;" in page("t", "", [made])
    assert write(tmp_path / "new" / "c.html", "t", "", [made]).read_text(encoding="utf-8").startswith("<!doctype html>")
