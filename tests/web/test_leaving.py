"""Taking one's data along, and being forgotten, on pages."""

import io
import json
import zipfile

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import ADMIN, FREE, contest, entered
from web_helpers import Browser, main_of, signed_in

from guerdon.hosting import Host, Phase, Role
from guerdon.web.settings import Settings


def taken(content: bytes) -> dict[str, object]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found: dict[str, object] = json.loads(archive.read("data.json"))
        return found


def test_somebody_takes_their_data_and_is_forgotten(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    ada, bea = signed_in(host, settings, "Ada Quillfeather"), signed_in(host, settings, "Bea")
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    me = host.people.actor_of(ada.http.cookies["__Host-guerdon-session"])
    assert me is not None
    entered(host, me, "open", 0.1, 0.2, 0.3)
    mine = ada.post("/account/data", at="/account")
    assert mine.headers["content-type"] == "application/zip"
    assert taken(mine.content)["person"]["name"] == "Ada Quillfeather"  # type: ignore[index]
    theirs = root.post(f"/people/{me.person}/data", at="/people")
    assert len(taken(theirs.content)["submissions"]) == 1  # type: ignore[arg-type]
    assert [deed.action for deed in host.log(ADMIN)][:1] == ["take data"]
    assert bea.get(f"/people/{me.person}").status_code == 403
    assert "Quillfeather" in root.get(f"/people/{me.person}").text
    assert root.get("/people/nobody").status_code == 404
    for path in ("data", "forget"):
        answer = bea.post(f"/people/{me.person}/{path}", {"sure": "yes"}, at="/account")
        assert answer.status_code == 403
    assert "for good" in main_of(root.post(f"/people/{me.person}/forget", at="/people"))
    answer = root.post(f"/people/{me.person}/forget", {"sure": "yes", "everything": "yes"}, at="/people")
    assert answer.headers["location"] == "/people?said=forgotten"
    assert "Quillfeather" not in root.get("/people").text
    assert "Quillfeather" not in root.get("/challenges/numbers").text
    assert "Quillfeather" not in root.get("/log").text
    assert ada.get("/account").status_code == 403
    assert Browser(host, settings).sign_in("Ada Quillfeather").status_code == 403
