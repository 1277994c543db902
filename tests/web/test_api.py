"""The JSON API and its client."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import ADMIN, FREE, OneFile, contest, guess, judged, person
from web_helpers import ORIGIN, Browser

from guerdon.core.errors import ConfigError
from guerdon.hosting import Actor, Host, Limits, Phase, Role
from guerdon.web.client import Client, RefusedError
from guerdon.web.settings import Settings


def api(host: Host, actor: Actor, *scopes: str) -> dict[str, str]:
    """The header with a token of somebody's."""
    return {"authorization": f"Bearer {host.people.new_api_token(actor, 'test', scopes or ('read', 'submit'))}"}


class Served:
    """The application as an httpx transport, so that the client can be tested without a socket."""

    def __init__(self, host: Host, settings: Settings) -> None:
        self._browser = Browser(host, settings)

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def handle_request(self, request: Any) -> Any:
        import httpx

        body = b"".join(request.stream)
        heads = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        answer = self._browser.http.request(request.method, str(request.url), content=body, headers=heads)
        return httpx.Response(answer.status_code, content=answer.content, headers=dict(answer.headers))


def test_a_file_is_handed_in_by_the_client(host: Host, settings: Settings, tmp_path: Path) -> None:
    contest(host, Phase("only", "open", limits=FREE), challenge=OneFile())
    ada = person(host, "Ada")
    file = tmp_path / "numbers.txt"
    file.write_text("3.5")
    token = host.people.new_api_token(ada, "laptop")
    with Client(ORIGIN, token, Served(host, settings)) as client:
        sent: list[int] = []
        made = client.submit("numbers", file, note="by hand", progress=sent.append)
        assert sent == [3]
        assert (made["state"], made["name"], made["note"]) == ("queued", "numbers.txt", "by hand")
        judged(host, host.submissions.get(ada, made["id"]), 0.75)
        found = client.wait(made["id"])
        assert (found["state"], found["score"]["value"]) == ("done", 0.75)
        assert client.board("numbers")["rows"][0]["value"] == 0.75
        assert host.submissions.answer(ada, made["id"]) == b"3.5"
        with pytest.raises(RefusedError, match="a contest of this host"):
            client.submit("nope", file)
        with pytest.raises(ConfigError, match="slug"):
            client.submit("../people", file)


def test_a_token_goes_over_https_only() -> None:
    with pytest.raises(ConfigError, match="https where a token is sent"):
        Client("http://contest.example", "guerdon-api-x")


def test_programs_need_a_token_that_is_valid(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    browser = Browser(host, settings)
    path = "/api/v1/contests/numbers/submissions"
    assert browser.http.post(path, content=b"{}").status_code == 401
    assert browser.http.get("/api/v1/contests").json() == []
    for token in ("Bearer nonsense", "Basic abc", "Bearer", "Bearer guerdon-api-" + "x" * 300):
        assert browser.http.get("/api/v1/me", headers={"authorization": token}).status_code == 401
    ada = person(host, "Ada")
    read = api(host, ada, "read")
    assert browser.http.get("/api/v1/contests", headers=read).json()[0]["slug"] == "numbers"
    assert browser.http.get("/api/v1/contests/numbers", headers=read).json()["ref"] == ""
    assert browser.http.post(path, content=b"{}", headers=read).status_code == 403
    root = api(host, person(host, "Root", Role.ORGANISER), "read")
    assert browser.http.post("/api/v1/contests/numbers/close", headers=root).status_code == 403


def test_what_is_too_large_is_cut_off_while_it_comes(host: Host, settings: Settings) -> None:
    limits = Limits(size=1000, per_day=None, concurrent=None)
    contest(host, Phase("only", "open", limits=limits), challenge=OneFile())
    head = api(host, person(host, "Ada"))
    browser, path = Browser(host, settings), "/api/v1/contests/numbers/submissions"
    assert browser.http.post(path, content=b"1" * 1001, headers=head).status_code == 413
    pieces = iter([b"1" * 600] * 1000)
    assert browser.http.post(path, content=pieces, headers=head).status_code == 413
    assert host.submissions.list_for(Actor.local()) == []
    assert browser.http.post(path, content=b"3", headers=head).status_code == 201


def test_what_is_wrong_comes_in_three_clauses(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    browser = Browser(host)
    for path in ("/api/v1/contests/nope", "/api/v1/submissions/nope", "/api/v1/changes?after=x",
                 "/api/v1/submissions?before=-1", "/api/v1/contests/numbers/board?phase=nope"):  # fmt: skip
        answer = browser.get(path)
        assert answer.status_code in (400, 404)
        assert set(answer.json()) == {"expected", "got", "do"}
    answer = browser.http.post("/api/v1/contests/numbers/submissions", content=b'{"open/0":')
    assert "line 1, column" in answer.json()["got"]


def test_the_document_describes_every_operation(host: Host) -> None:
    from guerdon.web.api import FILES, OPERATIONS

    document = Browser(host).get("/api/v1/openapi.json").json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(method, f"/api/v1{path}") for method, path, _ in (*OPERATIONS, *FILES)}
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["summary"]
            assert "422" not in operation["responses"]


def test_a_refusal_at_the_door_comes_in_three_clauses_too(host: Host, settings: Settings) -> None:
    browser = Browser(host, settings)
    for path, given, status in (
        ("/api/v1/submissions/a%5Cb", {}, 404),
        ("/api/v1/contests", {"headers": {"host": "evil.example"}}, 421),
        ("/api/v1/contests/numbers/submissions", {"content": b"x", "headers": {"origin": "https://evil.example"}}, 403),
        ("/api/v1/contests/numbers/close", {"content": b"x" * (2 << 20)}, 413),
    ):
        answer = browser.http.request("POST" if "content" in given else "GET", path, **given)
        assert answer.status_code == status
        assert set(answer.json()) == {"expected", "got", "do"}


def test_what_is_left_of_limits_is_told(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=Limits(per_day=2, per_month=9)))
    browser = Browser(host, settings)
    ann = person(host, "Ann")
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    path = "/api/v1/contests/numbers/limits"
    told = browser.http.get(path, headers=api(host, ann, "read")).json()
    assert (told["day"], told["month"], told["total"], told["concurrent"], told["waiting"]) == (1, 8, None, 1, 1)
    assert browser.http.get(path, headers=api(host, ann, "annotate")).status_code in (403, 404)
    assert browser.http.get(path).status_code == 404


def test_submissions_come_page_by_page(host: Host, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.hosting.submissions.PAGE", 2)
    contest(host, Phase("open", "open", limits=FREE))
    ada = person(host, "Ada")
    names = [host.submissions.submit(ada, "numbers", "open", guess("open", 1, 2, k)).id for k in range(5)]
    browser, heads, path = Browser(host, settings), api(host, ada, "read"), "/api/v1/submissions"
    found: list[str] = []
    while page := browser.http.get(path, params={"older_than": found[-1] if found else ""}, headers=heads).json():
        found += [item["id"] for item in page]
    assert found == names[::-1]
    back = browser.http.get(path, params={"newer_than": names[0]}, headers=heads).json()
    assert [item["id"] for item in back] == [names[2], names[1]]
    for wrong, status in (({"older_than": "nope"}, 404), ({"before": 3, "older_than": names[0]}, 400)):
        assert browser.http.get(path, params=wrong, headers=heads).status_code == status
    shown = [browser.sign_in("Ada") and browser.get("/submissions?challenge=numbers").text]
    for word in ("older", "older", "newer", "newer"):
        (address,) = re.findall(rf'<a href="(/submissions[^"]*)"[^>]*>{word}</a>', shown[-1])
        shown.append(browser.get(address.replace("&amp;", "&")).text)
    assert [re.findall(r"/submissions/(\w+)", text) for text in shown] == [
        [names[4], names[3]], [names[2], names[1]], [names[0]], [names[2], names[1]], [names[4], names[3]]
    ]  # fmt: skip
    assert ">newer<" not in shown[0] + shown[-1]
    assert ">older<" not in shown[2]


def test_half_a_letter_comes_as_an_escape(host: Host) -> None:
    text = "half \ud800 and \udfff"
    contest(host, Phase("open", "open", limits=FREE))
    host.contests.change(ADMIN, "numbers", title=text, rules_markdown=text)
    host.submissions.submit(ADMIN, "numbers", "open", guess("open", 0.5, 0.5, 0.5), note=text, name=text)
    browser = Browser(host)
    for path in ("/api/v1/contests", "/api/v1/contests/numbers", "/api/v1/submissions", "/api/v1/queue"):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert (text in json.dumps(answer.json(), ensure_ascii=False)) == (path != "/api/v1/queue"), path
