"""What stands before every page: headers, names of the host, origins, tokens, sizes, paths."""

from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import FREE, contest, person
from web_helpers import ORIGIN, Browser, main_of, raw, signed_in

from guerdon.hosting import Host, Phase, Role
from guerdon.web.app import pages
from guerdon.web.settings import Settings

FORM = {"content-type": "application/x-www-form-urlencoded"}
PARTS = {"content-type": "multipart/form-data; boundary=a"}
PATHS = ("/challenges", "/queue", "/systems", "/nowhere", "/static/app.css", "/api/v1/contests", "/api/v1/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(host: Host, path: str) -> None:
    answer = Browser(host).get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'; base-uri 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_hold_nothing_that_the_policy_would_stop(host: Host) -> None:
    contest(host)
    browser = Browser(host)
    for page in pages():
        if page.get and "{" not in page.path:
            text = browser.get(page.path).text
            assert "<style" not in text
            assert " style=" not in text
            assert "onclick" not in text
            assert text.count("<script") == text.count('<script src="/static/')


def test_a_report_carries_its_one_style_by_its_digest(host: Host) -> None:
    answer = Browser(host).get("/systems/go-explore/report")
    policy = answer.headers["content-security-policy"]
    assert "style-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "unsafe-inline" not in answer.text
    assert "sandbox" in policy


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "127.0.0.1:x"])
def test_a_name_that_somebody_pointed_at_us_is_refused(host: Host, name: str) -> None:
    assert Browser(host).get("/challenges", headers={"host": name}).status_code == 421


def test_a_host_answers_to_its_own_name_only(host: Host, settings: Settings) -> None:
    browser = Browser(host, settings)
    assert browser.get("/challenges").status_code == 200
    assert browser.get("/challenges", headers={"host": "127.0.0.1"}).status_code == 421
    assert "max-age" in browser.get("/challenges").headers["strict-transport-security"]


@pytest.mark.parametrize(
    "path",
    ["/static/%2e%2e/visit.py", "/static/..%2fvisit.py", "/static/..%252fvisit.py", "/challenges/..;/people",
     "/challenges/a%00b", "/challenges/a%5cb", "/" + "a" * 2000, "//evil.example/", "/static/etc/passwd",
     "/submissions/..", "/systems/nope", "/runs/nope", "/attempts/nope"],
)  # fmt: skip
def test_strange_paths_are_nowhere(host: Host, path: str) -> None:
    answer = raw(host, path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert "root:" not in answer.text


def test_a_change_needs_a_token_of_this_session(host: Host, settings: Settings) -> None:
    contest(host)
    one = signed_in(host, settings, "Ada", Role.ORGANISER)
    two = signed_in(host, settings, "Bea", Role.ORGANISER)
    form = {"phase": "open"}
    origin = {"origin": ORIGIN}
    for token in ("", "0" * 64, two.csrf("/challenges/numbers")):
        answer = one.http.post("/challenges/numbers/close", data={**form, "csrf": token}, headers=origin)
        assert answer.status_code == 403
    assert not host.contests.find("numbers").phase("open").closed
    good = {**form, "csrf": one.csrf("/challenges/numbers")}
    for strange in ("https://evil.example", "null", "http://contest.example", "https://contest.example.evil"):
        answer = one.http.post("/challenges/numbers/close", data=good, headers={"origin": strange})
        assert answer.status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert one.http.post("/challenges/numbers/close", data=good, headers=elsewhere).status_code == 403
    assert one.get("/challenges/numbers/close").status_code in (404, 405)
    assert not host.contests.find("numbers").phase("open").closed
    assert one.http.post("/challenges/numbers/close", data=good, headers=origin).status_code == 303
    assert host.contests.find("numbers").phase("open").closed


def test_another_site_changes_nothing_on_a_machine_of_ones_own(host: Host) -> None:
    contest(host)
    browser = Browser(host)
    evil = {"origin": "https://evil.example"}
    assert browser.http.post("/api/v1/contests/numbers/close", headers=evil).status_code == 403
    assert browser.http.post("/challenges/numbers/close", data={}, headers=evil).status_code == 403
    assert not host.contests.find("numbers").phase("open").closed


def test_cookies_are_for_the_browser_alone(host: Host, settings: Settings) -> None:
    person(host, "Ada")
    browser = Browser(host, settings)
    answer = browser.sign_in("Ada")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-guerdon-session=guerdon-session-")
    for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert word in cookie


def test_a_session_from_before_signing_in_is_not_taken_over(host: Host, settings: Settings) -> None:
    person(host, "Ada")
    browser = Browser(host, settings)
    browser.http.cookies.set(
        "__Host-guerdon-session", "guerdon-session-chosen-by-somebody-else", domain="contest.example"
    )
    assert browser.get("/account").status_code == 403
    browser.sign_in("Ada")
    kept = [each.value for each in browser.http.cookies.jar if each.name == "__Host-guerdon-session"]
    assert "guerdon-session-chosen-by-somebody-else" not in kept[-1:]


def test_signing_out_ends_the_session_everywhere(host: Host, settings: Settings) -> None:
    browser = signed_in(host, settings, "Ada")
    stolen = browser.http.cookies["__Host-guerdon-session"]
    assert browser.post("/sign-out", at="/account").status_code == 303
    again = Browser(host, settings)
    again.http.cookies.set("__Host-guerdon-session", stolen, domain="contest.example")
    assert again.get("/account").status_code == 403


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a//b"]
)
def test_signing_in_sends_nobody_elsewhere(host: Host, settings: Settings, to: str) -> None:
    from hosting_helpers import PASSWORD

    person(host, "Ada")
    answer = Browser(host, settings).post("/sign-in", {"name": "Ada", "password": PASSWORD, "to": to})
    assert answer.headers["location"].startswith("/challenges")


def test_guessing_passwords_comes_to_an_end(host: Host, settings: Settings) -> None:
    person(host, "Ada")
    browser = Browser(host, settings)
    token = browser.csrf("/sign-in")
    form = {"csrf": token, "name": "Ada", "password": "wrong wrong wrong"}
    codes = [browser.http.post("/sign-in", data=form, headers={"origin": ORIGIN}).status_code for _ in range(12)]
    assert codes[:10] == [403] * 10
    assert codes[-1] == 429
    names = [{"csrf": token, "name": f"nobody {i}", "password": "x"} for i in range(15)]
    assert [browser.http.post("/sign-in", data=each, headers={"origin": ORIGIN}).status_code for each in names][
        -1
    ] == 429


def test_too_many_requests_from_one_address_wait(host: Host) -> None:
    browser = Browser(host, Settings(url=ORIGIN, requests=5))
    codes = [browser.get("/challenges").status_code for _ in range(7)]
    assert codes[:5] == [200] * 5
    assert codes[-1] == 429


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"content": b"x" * 10, "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"csrf=1", "headers": {**FORM, "content-encoding": "gzip"}}, 415),
        ({"content": b"x", "headers": {**PARTS, "content-length": "99999999999"}}, 413),
        ({"content": b"x", "headers": {**PARTS, "content-length": "1e3"}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"data": {f"f{i}": "x" for i in range(300)}}, 400),
        ({"data": {"f": "x" * (2 << 20)}}, 413),
    ],
)  # fmt: skip
def test_bodies_that_are_no_form_are_refused(host: Host, given: Any, status: int) -> None:
    contest(host)
    assert Browser(host).http.post("/challenges/numbers/close", **given).status_code == status


def test_a_body_without_an_end_is_cut_off(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    taken = 0

    def endless() -> Any:
        nonlocal taken
        yield b'--a\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        while taken < 64 << 20:
            taken += 1 << 16
            yield b"x" * (1 << 16)

    headers = {"content-type": "multipart/form-data; boundary=a"}
    answer = Browser(host).http.post("/challenges/numbers/close", content=endless(), headers=headers)
    assert answer.status_code == 413


def test_an_unexpected_error_tells_a_number_and_nothing_else(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the key is canary-7d20b1e4-key")

    browser = Browser(host)
    monkeypatch.setattr(host.contests, "list", broken)
    answer = browser.get("/challenges")
    assert answer.status_code == 500
    assert "incident" in answer.text
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text


def test_what_is_wrong_is_said_in_three_clauses(host: Host) -> None:
    text = main_of(Browser(host).get("/challenges/nope"))
    assert "a contest of this host" in text
    assert "nope" in text


def test_rules_keep_marks_and_lose_scripts() -> None:
    pytest.importorskip("nh3")
    pytest.importorskip("markdown_it")
    from guerdon.web.markdown import markdown

    made = str(markdown("[x](javascript:alert(1)) **b** <b>c</b>")).strip()
    assert made == "<p>[x](javascript:alert(1)) <strong>b</strong> &lt;b&gt;c&lt;/b&gt;</p>"
