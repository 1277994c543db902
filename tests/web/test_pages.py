"""Pages: who sees what, what is inert, what is stable, and the ways through."""

import csv
import html
import io
import json
import re
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import CANARY, FREE, OneFile, contest, entered, guess, judged, person
from web_helpers import ORIGIN, Browser, main_of, signed_in

from guerdon import Score
from guerdon.hosting import Actor, Host, Limits, Phase, Role
from guerdon.web.settings import Settings

SCRIPTS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</textarea><svg onload=alert(1)>",
    '"><iframe src=javascript:alert(1)>', "<math><mi//xlink:href='data:x,<script>'>",
)  # fmt: skip


def phases() -> list[Phase]:
    return [
        Phase("open", "open", limits=FREE),
        Phase("test", "test", limits=FREE),
        Phase("final", "final", limits=FREE),
    ]


def test_an_entrant_hands_in_and_sees_the_score(host: Host, settings: Settings) -> None:
    contest(host, *phases())
    ada = signed_in(host, settings, "Ada", team="red")
    assert "Hand in" in main_of(ada.get("/challenges/numbers"))
    fields = {"answer": json.dumps(guess("open", 3, -7, 12)), "note": "mine"}
    answer = ada.post("/challenges/numbers/submit?phase=open", fields)
    where = answer.headers["location"]
    assert answer.status_code == 303
    assert "waiting" in main_of(ada.get(where))
    judged(host, host.submissions.list_for(Actor.local())[0], 0.5, 0.75, 1.0)
    text = main_of(ada.get(where))
    assert "0.750" in text
    assert "mine" in text
    board = main_of(ada.get("/challenges/numbers?phase=open"))
    assert "0.750" in board
    assert ">you<" in board
    assert 'class="own' in board


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"open/0": 1,\n "open/1": 2,, "open/2": 3}', "line 2, column 14"),
        (b'{"open/0": 1, "open/1": 2}', "the first is &#39;open/2&#39;"),
        (b'{"open/0": 1, "open/1": 2, "open/2": 3, "open/9": 3}', "open/9"),
        (b'{"open/0": NaN, "open/1": 2, "open/2": 3}', "NaN is not JSON"),
        (b'{"open/0": 1, "open/0": 2, "open/1": 2, "open/2": 3}', "comes twice"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[" * 100_000, "more than 100 levels"),
        (b"PK\x03\x04../../etc/passwd", "line 1"),
    ],
)  # fmt: skip
def test_a_broken_file_is_told_with_its_place_and_counts_for_nothing(host: Host, content: bytes, said: str) -> None:
    contest(host, *phases())
    answer = Browser(host).post("/challenges/numbers/submit?phase=open", files={"file": ("a.json", content)})
    assert answer.status_code == 400
    assert said in main_of(answer)
    assert host.submissions.list_for(Actor.local()) == []


def test_a_file_over_the_phase_s_size_is_cut_off_while_it_comes(host: Host) -> None:
    contest(host, Phase("only", "open", limits=Limits(size=1000, per_day=None, concurrent=None)), challenge=OneFile())
    browser = Browser(host)
    some = browser.post("/challenges/numbers/submit", files={"file": ("x", b"1" * 1001)})
    assert some.status_code == 413
    assert "1,000" in main_of(some)
    much = browser.post("/challenges/numbers/submit", files={"file": ("x", b"1" * (3 << 20))})
    assert much.status_code == 413
    assert host.submissions.list_for(Actor.local()) == []


def test_a_file_name_is_never_a_path_nor_a_header(host: Host) -> None:
    contest(host, Phase("only", "open", limits=FREE), challenge=OneFile())
    browser = Browser(host)
    name = '../../<b>evil"\r\nSet-Cookie: a=b;\u202e.csv'
    where = browser.post("/challenges/numbers/submit", files={"file": (name, b"3")}).headers["location"]
    assert "<b>evil" not in browser.get(where).text
    answer = browser.get(where.split("?")[0] + "/answer")
    assert answer.content == b"3"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("text", SCRIPTS)
def test_what_others_wrote_is_inert_everywhere(host: Host, settings: Settings, text: str) -> None:
    rules = f"# {text}\n{text}\n[a](javascript:alert(1)) [b](data:text/html,x) ![c](https://evil.example/x) [d](//e)"
    host.contests.create(Actor.local(), "hosting_helpers:Numbers", "numbers", text[:100], phases(), rules)
    ada = person(host, text[:60], team=text[:60])
    item = host.submissions.submit(ada, "numbers", "open", guess("open", text, text, text), text, text)
    judged(host, item, Score.failed("invalid", text), Score.failed("invalid", text), Score.failed("invalid", text))
    entered(host, ada, "open", 0.1, 0.2, 0.3)
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    for path in ("/challenges", "/challenges/numbers", f"/submissions/{item.id}", "/queue", "/submissions", "/people",
                 "/challenges/numbers/alike", "/runs", "/challenges/numbers/submit"):  # fmt: skip
        page = root.get(path).text
        assert text not in page, path
        assert "<img" not in page, path
        assert 'href="javascript' not in page, path
        assert 'href="data' not in page, path
        assert 'src="https://' not in page, path
    assert html.escape(text, quote=False).split("&lt;")[-1][:8] in root.get("/challenges").text


def test_a_sealed_score_is_on_no_page_and_in_no_answer(host: Host, settings: Settings) -> None:
    contest(host, *phases())
    ada, root = signed_in(host, settings, "Ada"), signed_in(host, settings, "Root", Role.ORGANISER)
    me = host.people.actor_of(ada.http.cookies["__Host-guerdon-session"])
    assert me is not None
    values = (0.12345, 0.23456, 0.34567)
    item = host.submissions.submit(me, "numbers", "final", guess("final", 1, 2, 3))
    judged(host, item, *values)
    run = host.contests.find("numbers").phase("final").run
    api = host.people.new_api_token(me, "api")
    paths = [
        "/challenges", "/challenges/numbers?phase=final", f"/submissions/{item.id}", "/submissions", "/queue", "/runs",
        f"/runs/{run}", f"/runs/{run}/report",
        "/challenges/numbers/board.csv?phase=final", "/challenges/numbers/alike",
        f"/attempts/{host.submissions.get(Actor.local(), item.id).attempts[0]}",
        "/api/v1/contests/numbers/board?phase=final", f"/api/v1/submissions/{item.id}", "/api/v1/submissions",
        "/api/v1/changes", "/api/v1/queue", "/api/v1/contests",
    ]  # fmt: skip
    for browser in (ada, root, Browser(host)):
        for path in paths:
            for headers in ({}, {"authorization": f"Bearer {api}"}):
                text = browser.get(path, headers=headers).text
                assert CANARY not in text
                assert not re.search(r"(?<!\d)0\.(123|234|235|345|346)", text), path
    assert Browser(host).get(f"/runs/{run}").status_code == 404
    root.post("/challenges/numbers/reveal", {"phase": "final"}, at="/challenges/numbers?phase=final")
    assert "0.235" in ada.get("/challenges/numbers?phase=final").text
    assert Browser(host).get(f"/runs/{run}").status_code == 200


ROUTES: tuple[tuple[str, frozenset[str]], ...] = (
    ("/challenges/numbers", frozenset({"Ada", "Bea", "Root", "Anna"})),
    ("/challenges/numbers/submit?phase=open", frozenset({"Ada", "Bea", "Root"})),
    ("/submissions", frozenset({"Ada", "Bea", "Root"})),
    ("/submissions/{id}", frozenset({"Ada", "Root"})),
    ("/submissions/{id}/answer", frozenset({"Ada", "Root"})),
    ("/queue", frozenset({"Ada", "Bea", "Root"})),
    ("/challenges/numbers/alike", frozenset({"Root"})),
    ("/challenges/new", frozenset({"Root"})),
    ("/challenges/numbers/edit", frozenset({"Root"})),
    ("/log", frozenset({"Root"})),
    ("/people", frozenset({"Root"})),
    ("/runs", frozenset({"Root"})),
    ("/runs/{run}", frozenset({"Root"})),
    ("/compare/chat", frozenset({"Root", "Anna"})),
    ("/compare/chat/standing", frozenset({"Root"})),
    ("/compare/chat/export", frozenset({"Root"})),
    ("/account", frozenset({"Ada", "Bea", "Root", "Anna"})),
    ("/systems", frozenset({"Ada", "Bea", "Root", "Anna"})),
)


def test_every_role_on_every_page(host: Host, settings: Settings) -> None:
    contest(host, *phases())
    host.comparisons.create(Actor.local(), "chat", "Chat")
    browsers = {
        "Ada": signed_in(host, settings, "Ada"), "Bea": signed_in(host, settings, "Bea"),
        "Root": signed_in(host, settings, "Root", Role.ORGANISER),
        "Anna": signed_in(host, settings, "Anna", Role.ANNOTATOR), "nobody": Browser(host, settings),
    }  # fmt: skip
    me = host.people.actor_of(browsers["Ada"].http.cookies["__Host-guerdon-session"])
    assert me is not None
    item = entered(host, me, "open", 0.1, 0.2, 0.3)
    names = {"id": item.id, "run": host.contests.find("numbers").phase("open").run}
    for path, allowed in ROUTES:
        for name, browser in browsers.items():
            status = browser.get(path.format(**names)).status_code
            assert (status == 200) == (name in allowed), (path, name, status)
            assert status in (200, 403, 404)
    for act in ("cancel", "retry", "final"):
        for name in ("Bea", "Anna", "nobody"):
            browser = browsers[name]
            token = browser.csrf("/sign-in")
            answer = browser.http.post(
                f"/submissions/{item.id}/{act}", data={"csrf": token}, headers={"origin": ORIGIN}
            )
            assert answer.status_code in (403, 404), (act, name)
    assert host.submissions.get(Actor.local(), item.id).state == "done"


def test_retry_and_cancel_from_the_queue_s_page(host: Host) -> None:
    contest(host, *phases())
    browser = Browser(host)
    item = host.submissions.submit(Actor.local(), "numbers", "open", guess("open", 1, 2, 3))
    text = main_of(browser.get("/queue"))
    assert "Retry" in text
    assert "Cancel" in text
    assert browser.post(f"/submissions/{item.id}/retry", {"back": "queue"}, at="/queue").status_code == 303
    answer = browser.post(f"/submissions/{item.id}/cancel", {"back": "queue"}, at="/queue")
    assert answer.headers["location"] == "/queue?said=cancelled"
    assert host.submissions.get(Actor.local(), item.id).state == "cancelled"
    assert "Nothing waits" in main_of(browser.get("/queue"))


def test_a_board_of_no_rows_one_row_and_very_many(
    host: Host, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guerdon import Visibility
    from guerdon.hosting import Board, BoardRow

    contest(host, *phases())
    browser = Browser(host)
    rows: list[BoardRow] = []

    def board(slug: str, phase: str, actor: Actor, first: int, count: int) -> Board:
        own = next((row for row in rows if row.own), None)
        part = rows[first - 1 : first - 1 + count]
        return Board(slug, phase, Visibility.OPEN, False, part, len(rows), first, len(rows), own)

    monkeypatch.setattr(host, "board", board)
    assert "Nothing is judged yet" in main_of(browser.get("/challenges/numbers"))
    for value in (-0.0, 1e-300, 1e300, 0.5):
        rows[:] = [BoardRow(1, 1, "t", "x" * 10_000, value, None, None, 1, 1.0)]
        page = main_of(browser.get("/challenges/numbers"))
        assert len(page) < 20_000
        assert "-0" not in page.split('data-label="score">')[1][:10]
    rows[:] = [BoardRow(1, 1, f"t{i}", f"team {i}", 0.5, 0.4, 0.6, 1, 1.0, own=i == 99_000) for i in range(100_000)]
    page = main_of(browser.get("/challenges/numbers"))
    assert "rows 1 to 100 of 100,000" in page
    assert "Your place" in page
    assert "team 99000" in page
    assert len(page) < 200_000
    last = main_of(browser.get("/challenges/numbers?from=99901"))
    assert "team 99999" in last
    assert browser.get("/challenges/numbers?from=-1").status_code == 200
    assert browser.get("/challenges/numbers?from=99999999999999").status_code == 200
    rows[:] = [BoardRow(None, None, "t", "team", None, None, None, 1, None)]
    assert "shown after closing" in main_of(browser.get("/challenges/numbers"))


def test_a_leaderboard_as_csv_holds_no_formulas(host: Host) -> None:
    contest(host, *phases())
    entered(host, person(host, "Ada", team="=cmd|' /C calc'!A0"), "open", 0.5, 0.75, 1.0)
    entered(host, person(host, "Bob", team="@SUM(1)"), "open", 0.25, 0.5, 0.75)
    text = Browser(host).get("/challenges/numbers/board.csv?phase=open").text
    head, first, second = csv.reader(io.StringIO(text))
    assert head[:4] == ["rank", "group", "team", "score"]
    assert first[2:4] == ["'=cmd|' /C calc'!A0", "0.75"]
    assert second[2] == "'@SUM(1)"


def test_an_invitation_is_taken_once(host: Host, settings: Settings) -> None:
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    page = root.post("/people/invite", {"role": "entrant", "team": "red"}, at="/people").text
    token = page.split("/invitation#")[1].split("<")[0]
    ada = Browser(host, settings)
    form = {"token": token, "name": "Ada", "password": "a long enough sentence"}
    assert ada.post("/invitation", {**form, "password": "short"}).status_code == 400
    assert ada.post("/invitation", form).status_code == 303
    assert ada.get("/submissions").status_code == 200
    assert "used or old" in main_of(Browser(host, settings).post("/invitation", {**form, "name": "Eve"}))
    people = main_of(root.get("/people"))
    assert "Ada" in people
    me = next(each for each in host.people.list(Actor.local()) if each.name == "Ada")
    root.post(f"/people/{me.id}/disable", {"disabled": "yes"}, at="/people")
    assert ada.get("/submissions").status_code == 403


def test_a_token_is_shown_once_and_can_be_revoked(host: Host, settings: Settings) -> None:
    ada = signed_in(host, settings, "Ada")
    page = ada.post("/account/tokens", {"label": "laptop", "scope-read": "yes", "days": "3"}, at="/account").text
    token = page.split('id="token">')[1].split("<")[0]
    headers = {"authorization": f"Bearer {token}"}
    program = Browser(host, settings)
    assert program.get("/api/v1/me", headers=headers).json()["scopes"] == ["read"]
    assert token not in ada.get("/account").text
    one = host.people.api_tokens(host.people.actor_of(ada.http.cookies["__Host-guerdon-session"]))[0]  # type: ignore[arg-type]
    ada.post(f"/account/tokens/{one.id}/revoke", at="/account")
    assert program.get("/api/v1/me", headers=headers).status_code == 401


def test_a_challenge_is_opened_from_files(host: Host) -> None:
    from pathlib import Path

    import hosting_helpers

    source = Path(hosting_helpers.__file__).read_text() + "\ndel OneFile\n"
    fields = {
        "slug": "mine",
        "title": "Mine",
        "rules": "**Be fair.**",
        "per_day": "3",
        "reveal": "close",
        "public": "yes",
    }
    browser = Browser(host)
    answer = browser.post("/challenges/new", fields, files={"python": ("my challenge.py", source.encode())})
    assert answer.headers.get("location") == "/challenges/mine?said=created", main_of(answer)
    text = main_of(browser.get("/challenges/mine"))
    assert "<strong>Be fair.</strong>" in text
    found = host.contests.find("mine")
    assert [each.name for each in found.phases] == ["open", "test", "final"]
    assert found.phases[0].limits.per_day == 3
    assert found.public
    again = browser.post("/challenges/new", fields, files={"python": ("x.py", source.encode())})
    assert "mine is taken" in main_of(again)
    broken = browser.post("/challenges/new", {**fields, "slug": "b"}, files={"python": ("x.py", b"def")})
    assert broken.status_code == 400


def test_over_the_net_nobody_hands_in_python_to_be_run(host: Host, settings: Settings) -> None:
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    fields = {"slug": "mine", "title": "Mine"}
    answer = root.post("/challenges/new", fields, at="/people", files={"python": ("x.py", b"raise SystemExit(9)")})
    assert answer.status_code == 400
    assert "not taken over the net" in main_of(answer)


def test_two_sides_are_compared_blind(host: Host, settings: Settings) -> None:
    anna = signed_in(host, settings, "Anna", Role.ANNOTATOR)
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    rows = [{"prompt": f"p{i // 2}", "system": f"secret-{'ab'[i % 2]}", "content": f"<b>{i}</b>"} for i in range(60)]
    content = "\n".join(map(json.dumps, rows)).encode()
    made = root.post("/compare", {"slug": "chat", "title": "Chat"}, files={"items": ("x.jsonl", content)})
    assert made.status_code == 303
    token = anna.csrf("/compare/chat")
    ask: Any = {"accept": "application/json", "origin": ORIGIN}
    for number in range(6):
        page = anna.get("/compare/chat").text
        assert "secret" not in page
        assert "<b>" not in page.split("<main")[1].replace("<bdi>", "")
        found = anna.get("/compare/chat/pairs")
        assert "secret" not in found.text
        pairs = found.json()["pairs"]
        assert len(pairs) == 4
        form = {"csrf": token, "pair": pairs[0]["id"], "version": str(pairs[0]["version"]), "outcome": "first"}
        for _ in range(2):
            assert anna.http.post("/compare/chat", data=form, headers=ask).status_code == 200
        assert host.comparisons.standing(Actor.local(), "chat").answered == number + 1
    assert anna.http.post("/compare/chat", data={**form, "outcome": "evil"}, headers=ask).status_code == 400
    assert (
        root.http.post(
            "/compare/chat", data={**form, "csrf": root.csrf("/compare/chat")}, headers={"origin": ORIGIN}
        ).status_code
        == 404
    )
    back = anna.http.post("/compare/chat/undo", data={"csrf": token}, headers=ask).json()["pairs"]
    assert back[0]["id"] == form["pair"]
    assert back[0]["version"] == 1
    assert host.comparisons.standing(Actor.local(), "chat").answered == 5
    assert "Ratings" in main_of(root.get("/compare/chat/standing"))
    lines = root.get("/compare/chat/export").text.splitlines()
    assert {"prompt", "chosen", "rejected"} <= json.loads(lines[0]).keys()


def test_live_pages_are_told_what_changed_and_no_more(host: Host, settings: Settings) -> None:
    import asyncio

    from guerdon.web.desk import Desk
    from guerdon.web.live import Newest, _lines

    contest(host, *phases())
    ada, eve = person(host, "Ada"), person(host, "Eve")
    quick = Settings(url=settings.url, poll_s=0.01)

    async def told(actor: Actor) -> list[str]:
        desk = Desk(host, quick)
        lines = _lines(desk, actor, Newest(desk))
        found = [await anext(lines)]
        item = entered(host, ada, "final", 0.12345, 0.2, 0.3)
        found += [await anext(lines)]
        await lines.aclose()  # type: ignore[attr-defined]
        return [*found, item.id]

    for actor, knows in ((ada, True), (eve, False), (Actor.visitor(), False)):
        *lines, name = asyncio.run(told(actor))
        assert (name in "".join(lines)) is knows
        assert "0.123" not in "".join(lines)
        assert "event: change" in lines[1]


def test_a_live_page_misses_nothing_between_its_making_and_its_stream(host: Host) -> None:
    import asyncio

    from guerdon.web.desk import Desk
    from guerdon.web.live import Newest, _lines

    contest(host, *phases())
    ada = person(host, "Ada")
    page = Browser(host).get("/challenges/numbers").text
    seen = re.search(r'data-seen="(\d+)"', page)
    assert seen
    item = entered(host, ada, "open", 0.1, 0.2, 0.3)  # judged before the page's stream is open

    async def told() -> str:
        desk = Desk(host, Settings(poll_s=0.01))
        lines = _lines(desk, ada, Newest(desk), "", int(seen[1]))
        return "".join([await anext(lines) for _ in range(2)])

    assert item.id in asyncio.run(told())


def test_a_team_sees_its_own_attempts_and_no_run(host: Host, settings: Settings) -> None:
    contest(host, *phases())
    ada, bea = signed_in(host, settings, "Ada"), signed_in(host, settings, "Bea")
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    me = host.people.actor_of(ada.http.cookies["__Host-guerdon-session"])
    assert me is not None
    shown = entered(host, me, "open", 0.123, 0.234, 0.345)
    covered = entered(host, me, "final", 0.123, 0.234, 0.345)
    for item, score in ((shown, True), (covered, False)):
        (attempt, *_) = host.submissions.get(me, item.id).attempts
        path = f"/attempts/{attempt}"
        assert ("score hidden" not in ada.get(path).text) is score
        assert ("0.123" in root.get(path).text) == ("0.123" in ada.get(path).text)
        assert bea.get(path).status_code == 404
        assert Browser(host, settings).get(path).status_code == 403
        run = host.contests.find("numbers").phase(item.phase).run
        assert ada.get(f"/runs/{run}").status_code == 403
        assert (root.get(f"/runs/{run}").status_code == 200) is score


def test_an_organiser_s_entries_are_marked_as_baselines_for_everybody_else(host: Host, settings: Settings) -> None:
    contest(host, *phases())
    root = person(host, "Root", Role.ORGANISER)
    ada, bea = person(host, "Ada"), signed_in(host, settings, "Bea")
    entered(host, root, "open", 0.1, 0.2, 0.3)
    entered(host, ada, "open", 0.5, 0.5, 0.5)
    rows = main_of(bea.get("/challenges/numbers?phase=open")).split("<tr")[2:]
    assert ["baseline" in row for row in rows] == [False, True]


def test_a_team_sees_which_of_its_submissions_count_in_the_end(host: Host, settings: Settings) -> None:
    contest(host, *phases())
    ada = signed_in(host, settings, "Ada")
    actor = host.people.actor_of(ada.http.cookies["__Host-guerdon-session"])
    assert actor
    item = entered(host, actor, "final", 0.1, 0.2, 0.3)
    assert "the newest, as you chose none" in main_of(ada.get("/challenges/numbers?phase=final"))
    ada.post(f"/submissions/{item.id}/final", {"chosen": "yes"}, at=f"/submissions/{item.id}")
    assert "the one you chose" in main_of(ada.get("/challenges/numbers?phase=final"))
    assert "yours that count" not in main_of(ada.get("/challenges/numbers?phase=open"))
