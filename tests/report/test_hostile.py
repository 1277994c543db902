"""Whatever stands in the ledger, the page is inert and says it visibly."""

from __future__ import annotations

from typing import Any

import pytest

from guerdon.core.plain import Blob
from guerdon.core.score import Score
from guerdon.core.task import Answer, Task
from guerdon.report import render
from guerdon.report.text import visible

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "link": "javascript:alert(1)",
    "anchor": '<a href="javascript:alert(1)">x</a>',
    "svg": "<svg/onload=alert(1)>",
    "svg title": "</title></desc></svg><script>alert(1)</script>",
    "textarea": "</textarea></pre></code></style><script>alert(1)</script>",
    "mutation": '<math><mtext></table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=x&gt;">',
    "markdown": "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "css": "x{background:url(//evil.example/x)}</style><style>@import '//evil.example'",
    "attribute": "\" onmouseover='alert(1)' x=\"",
    "template": "{{ 7*7 }}{% for x in y %}{0.__class__}{}",
    "mathtext": "$x^2$ $\\frac{1}{2}$ \\includegraphics{x}",
    "comment": "--><script>x</script><!-- ]]>",
    "entity": "&lt;script&gt;&#x202e;&amp;",
    "nul": "a\x00b",
    "ansi": "\x1b[31mred\x1b]0;title\x07",
    "override": "abc\u202egnp.exe\u2066x\u2069\u200f",
    "surrogate": "half \ud800 and \udfff",
    "separators": "a\u2028b\u2029c\x85d",
    "marks": "e" + "\u0301" * 10_000,
    "tags": "x\U000e0041\ufeff\u00ad",
    "private": "\ue000 \ufffe \uffff",
    "long": "n" * 10_000,
    "blank": "   ",
    "newlines": "a\r\nb\nc\t",
}
CONTROLS = [*map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160)), "\u202e", "\u2066", "\u200f"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_inert_everywhere(book: Any, inert: Any, kind: str) -> None:
    text = HOSTILE[kind]
    run = book.run(
        "r1",
        challenge=text,
        split=text,
        solver=text,
        judge=text,
        budget={"attempts": 10, text: 1},
        recipe={"solver": {"kind": text, text: text}, "judge": {"range": text}},
        versions={text: text},
    )
    book.run("r2", challenge=text, split=text, solver=text + "2", judge=text, recipe={"challenge": {}})
    book.ledger.tasks_seen(text, [Task(text, {text: text})])
    pairs = [
        (Answer(text, {"code": text}, note={text: text}), Score(1.0, {text: 1.0, "proxy": 1.0, "gold": 0.0})),
        (Answer(text, text), Score(0.5, {"proxy": 0.0, "gold": 1.0})),
        (Answer(text + "b", [text, {text: text}]), Score(1.0)),
        (Answer(text, Blob("0" * 64, 3, text)), Score.failed("exception", text)),
        (Answer(text, None), Score.failed("judge", text, "judge")),
    ]
    ids = book.step(run, 0, pairs, text)
    book.step(run, 1, [(Answer(text, text, (*ids, text)), Score(1.0))], text)
    book.step("r2", 0, pairs, text)
    for runs in (["r1"], ["r1", "r2"]):
        page = render(book.ledger, runs, title=text)
        parsed = inert(page)
        shown = "".join(parsed.texts)
        assert not any(control in shown for control in CONTROLS)
        assert len(page) < 1_500_000


def test_hostile_text_is_still_there_to_be_read(book: Any, parse: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer("t", {"code": HOSTILE["script"] + "\u202e\ud800"}), Score(0.5))])
    assert "<script>alert(1)</script>\\u202e\\ud800" in parse(render(book.ledger, [run])).text


def test_the_answers_share_the_room_on_the_page(book: Any, inert: Any) -> None:
    run = book.run()
    worst = '"' * 100_000  # five bytes each once escaped
    book.step(run, 0, [(Answer(f"t{i}", worst + str(i)), Score(0.5)) for i in range(150)])
    page = render(book.ledger, [run])
    assert len(page.encode("utf-8")) < 1_000_000
    assert "no room left on this page" in inert(page).text


def test_text_of_many_scripts_is_left_alone() -> None:
    for text in ("naïve café", "日本語", "עברית", "العربية", "हिन्दी", "👩‍🚀 🇩🇪 ❤️", "x ↦ x²", "tab\tand\nline"):
        assert visible(text) == text


def test_windows_line_ends_become_line_ends() -> None:
    assert visible("a\r\nb\rc") == "a\nb\\u000dc"
