"""What a stranger meets on a walk through the pages: landmarks, titles, forms that remember, and ways on."""

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import FREE, OneFile, contest, guess, judged, person
from web_helpers import Browser, main_of, signed_in

from guerdon import Score
from guerdon.core.errors import GuerdonError
from guerdon.hosting import Actor, Host, Item, Phase, Role
from guerdon.hosting.files.archives import safe_name
from guerdon.web.compare import drawing
from guerdon.web.settings import Settings

if TYPE_CHECKING:
    from guerdon.hosting import Standing

LOCAL = Actor.local()


def tab(answer: Any) -> str:
    found = re.search(r"<title>(.*?)</title>", answer.text)
    assert found
    return found[1]


def pets(host: Host) -> None:
    host.comparisons.create(LOCAL, "pets", "Pets", "Which is better?")
    host.comparisons.add(LOCAL, "pets", [Item(f"{s}-0", s, prompt="p", system=s) for s in ("ant", "dog")])
    host.comparisons.add_gold(LOCAL, "pets", "ant-0", "dog-0", "first")


@pytest.mark.parametrize("path", ["/challenges", "/challenges/numbers", "/queue", "/compare", "/api", "/nowhere"])
def test_everything_on_a_page_lies_in_a_landmark(host: Host, path: str) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    answer = Browser(host).get(path)
    body = answer.text.split("<body", 1)[1]
    assert body.count('<header class="bar-top">') == body.count("<main") == body.count("<footer>") == 1
    assert "<aside" not in main_of(answer)  # a landmark, and none lies in another
    assert len(re.findall("<h1", main_of(answer))) == len(re.findall("<h1", body)) == 1


def test_titles_tell_tabs_apart(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE), Phase("test", "test", limits=FREE))
    pets(host)
    item = host.submissions.submit(LOCAL, "numbers", "open", guess("open", 1, 2, 3))
    paths = (
        "/challenges/numbers?phase=open", "/challenges/numbers?phase=test", f"/submissions/{item.id}", "/compare/pets",
        "/compare/pets/standing", "/compare/pets/review", "/challenges/numbers/alike", "/challenges/numbers/edit",
        "/no",
    )  # fmt: skip
    titles = [tab(Browser(host).get(path)) for path in paths]
    assert len(set(titles)) == len(titles)
    assert titles[0] == "Numbers, open · guerdon"
    assert titles[3] == "Which is better? · Pets · guerdon"
    assert titles[-1] == "Not found · guerdon"


def test_signing_in_keeps_the_name_and_leads_back_to_the_phase(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    signed_in(host, settings, "Ada")
    late = Browser(host, settings)
    link = re.search(r'href="(/sign-in\?to=[^"]*)"', late.get("/challenges/numbers/submit?phase=open").text)
    assert link
    wrong = late.post("/sign-in", {"name": "Ada <3", "password": "not that one"})
    assert 'value="Ada &lt;3"' in main_of(wrong)
    to = re.search(r'name="to" value="([^"]*)"', late.get(link[1]).text)
    assert to
    right = late.post("/sign-in", {"name": "Ada", "password": "a long enough sentence", "to": to[1]})
    assert right.headers["location"].startswith("/challenges/numbers/submit?phase=open")
    host.contests.change(LOCAL, "numbers", public=True)
    page = Browser(host, settings).get("/challenges/numbers?phase=open").text
    assert 'href="/sign-in?to=/challenges/numbers%3Fphase%3Dopen">Sign in to take part' in page


def test_after_a_verdict_the_next_is_handed_in_from_there(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    ada = signed_in(host, settings, "Ada")
    where = ada.post("/challenges/numbers/submit?phase=open", {"answer": json.dumps(guess("open", 1, 2, 3))})
    path = where.headers["location"].split("?")[0]
    assert "Hand in another" not in main_of(ada.get(path))
    assert "Handed in. It is judged" in main_of(ada.get(where.headers["location"]))
    (item,) = host.submissions.list_for(LOCAL)
    judged(host, item, *[Score.failed("invalid", "no number")] * 3)
    assert "/challenges/numbers/submit?phase=open" in main_of(ada.get(path))
    assert "Handed in. It is judged" not in main_of(ada.get(where.headers["location"]))
    host.contests.close(LOCAL, "numbers", "open")
    assert "Hand in another" not in main_of(ada.get(path))


def test_shares_have_one_unit_and_the_end_of_the_pairs_only_undo(host: Host) -> None:
    pets(host)
    pair = host.comparisons.next_pair(LOCAL, "pets")
    assert pair
    assert 'data-part="choices" method="post" action="/compare/pets">' in Browser(host).get("/compare/pets").text
    host.comparisons.choose(LOCAL, pair.id, "first", pair.version)
    assert re.search(r"\d %  ?\([\d.]+ % to [\d.]+ %\)", main_of(Browser(host).get("/compare/pets/standing")))
    over = main_of(Browser(host).get("/compare/pets"))
    assert 'data-part="choices" method="post" action="/compare/pets" hidden>' in over
    assert "Undo" in over


def test_ratings_are_whole_numbers() -> None:
    rows = [SimpleNamespace(name="ant", rating=1063.2, low=990.4, high=1136.0),
            SimpleNamespace(name="dog", rating=947.34, low=880.0, high=1010.5)]  # fmt: skip
    drawn = str(drawing(cast("Standing", SimpleNamespace(ratings=rows, answered=9))))
    assert ">1,063<" in drawn
    assert ">947<" in drawn


def test_parts_of_a_score_stand_under_one_another_on_a_phone(host: Host) -> None:
    contest(host, Phase("only", "open", limits=FREE), challenge=OneFile())
    item = host.submissions.submit(LOCAL, "numbers", "only", b"3")
    judged(host, item, Score(0.5, {"part": 0.5, "part_low": 0.4, "part_high": 0.6}))
    assert "Scores have no intervals here." in main_of(Browser(host).get("/challenges/numbers"))
    text = Browser(host).get(f"/submissions/{item.id}").text
    assert '<table class="parts stack">' in text
    assert 'data-label="95 %">0.400 to 0.600</td>' in text


def test_the_queue_calls_submissions_as_their_pages_do(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    made = [host.submissions.submit(LOCAL, "numbers", "open", guess("open", k, 2, 3)) for k in range(2)]
    text = re.sub("<[^>]*>", "", main_of(Browser(host).get("/queue")))
    assert [f"numbers / open {item.number + 1}" in text for item in made] == [True, True]
    assert "numbers / open 1" not in re.sub("<[^>]*>", "", main_of(signed_in(host, settings, "Ada").get("/queue")))


def test_the_second_of_two_who_edit_sees_what_the_first_wrote(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    browser, old = Browser(host), str(host.contests.find("numbers").version)
    host.contests.change(LOCAL, "numbers", title="Theirs", rules_markdown="Their rules")
    texts = main_of(browser.post("/challenges/numbers/edit", {"version": old, "title": "Mine", "rules": "My rules"}))
    assert ">Their rules</code>" in texts
    assert "<bdi>Theirs</bdi></dd>" in texts
    assert 'value="Mine"' in texts
    host.contests.change_phase(LOCAL, "numbers", "open", limits={"total": 77})
    fields = {"version": old, "phase": "open", "per_day-0": "3", "size-0": "256", "seconds-0": "600", "finals-0": "2"}
    times = main_of(browser.post("/challenges/numbers/edit", fields))
    assert "<dt>in all</dt><dd>77</dd>" in times
    assert 'name="per_day-0" inputmode="numeric" value="3"' in times
    assert "As it stands now" not in main_of(browser.get("/challenges/numbers/edit"))


def test_the_log_names_people_and_submissions(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    root, ann = signed_in(host, settings, "Root", Role.ORGANISER), person(host, "Ann <3")
    item = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    host.submissions.cancel(LOCAL, item.id)
    host.people.disable(LOCAL, ann.person)
    text = main_of(root.get("/log"))
    assert f'<a href="/people/{ann.person}"><bdi>Ann &lt;3</bdi></a>' in text
    assert f'<a href="/submissions/{item.id}">submission 1</a>' in text


def test_an_empty_file_is_called_empty(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    answer = Browser(host).post("/challenges/numbers/submit", {"note": "mine"}, files={"file": ("a.json", b"")})
    assert answer.status_code == 400
    assert "no file with anything in it" in main_of(answer)
    assert 'value="mine"' in main_of(answer)


def test_an_empty_place_says_what_to_do(host: Host, settings: Settings) -> None:
    assert "Open a project below" in main_of(Browser(host).get("/compare"))
    assert "Organisers open projects" in main_of(Browser(host, settings).get("/compare"))


def test_a_system_s_sources_are_links_and_its_words_no_markup(host: Host) -> None:
    text = main_of(Browser(host).get("/systems/v3det"))
    assert "`" not in text.split("verdicts-h")[0]
    assert '<a href="https://arxiv.org/abs/2406.11739" rel="noreferrer">arXiv 2406.11739</a>' in text
    assert '<a href="https://github.com/V3Det/V3Det" rel="noreferrer">' in text


def test_a_closed_phase_offers_no_button_to_hand_in(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    assert "<button>Hand in</button>" in Browser(host).get("/challenges/numbers/submit").text
    host.contests.close(LOCAL, "numbers", "open")
    assert "<button disabled>Hand in</button>" in Browser(host).get("/challenges/numbers/submit").text


def test_a_path_that_climbs_is_named_in_a_whole_sentence() -> None:
    with pytest.raises(GuerdonError, match=r"has an empty part, '\.' or '\.\.'"):
        safe_name("../x")
