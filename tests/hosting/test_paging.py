"""Lists of submissions, page by page, while more come in."""

import pytest
from hosting_helpers import ADMIN, FREE, contest, guess, person

from guerdon.hosting import Actor, Host, HostingError, Limits, NotFoundError, Phase

SIZE = 4


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.hosting.submissions.PAGE", SIZE)


def handed_in(host: Host, actors: list[Actor], count: int, slug: str = "numbers", phase: str = "open") -> list[str]:
    return [
        host.submissions.submit(actors[k % len(actors)], slug, phase, guess(phase, 1, 2, k)).id for k in range(count)
    ]


def walked(host: Host, actor: Actor, slug: str = "", phase: str = "") -> list[str]:
    """All that an actor is shown, from the newest to the oldest; on the way back the same."""
    pages = [host.submissions.page(actor, slug, phase)]
    assert not pages[0].newer
    while pages[-1].older:
        pages.append(host.submissions.page(actor, slug, phase, older_than=pages[-1].older))
    assert all(len(page.items) == SIZE for page in pages[:-1])
    there = [item.id for page in pages for item in page.items]
    back = list(pages[-1].items)
    while newer := host.submissions.page(actor, slug, phase, newer_than=back[0].id).items:
        assert len(newer) == min(SIZE, len(there) - len(back))
        back = [*newer, *back]
    assert [item.id for item in back] == there
    return there


@pytest.mark.parametrize("count", [1, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE, 3 * SIZE + 1])
def test_every_submission_is_on_one_page(host: Host, count: int) -> None:
    contest(host, Phase("open", "open", limits=FREE), Phase("test", "test", limits=FREE))
    contest(host, Phase("open", "open", limits=FREE), slug="other")
    ann, bea = person(host, "Ann"), person(host, "Bea")
    first = handed_in(host, [ann, bea], count)
    test = handed_in(host, [bea], 2, phase="test")
    other = handed_in(host, [ann], 3, "other")
    everything = [*first, *test, *other][::-1]
    assert walked(host, ADMIN) == everything
    assert walked(host, ADMIN, "numbers") == [*first, *test][::-1]
    assert walked(host, ADMIN, "numbers", "open") == first[::-1]
    mine = [item.id for item in host.submissions.page(ann).items]
    assert mine == [name for name in everything if name in first[::2] or name in other][:SIZE]
    assert walked(host, bea, "numbers") == [name for name in everything if name in first[1::2] or name in test]


def test_what_comes_in_moves_no_page(live: Host) -> None:
    contest(live, Phase("open", "open", limits=FREE))
    ann = person(live, "Ann")
    before = handed_in(live, [ann], 3 * SIZE)
    first = live.submissions.page(ADMIN)
    handed_in(live, [ann], 2)
    second = live.submissions.page(ADMIN, older_than=first.older)
    assert [item.id for item in second.items] == before[::-1][SIZE : 2 * SIZE]


def test_a_page_goes_on_from_ones_own_only(live: Host) -> None:
    contest(live, Phase("open", "open", limits=FREE))
    ann, bea = person(live, "Ann"), person(live, "Bea")
    (hers,) = handed_in(live, [bea], 1)
    for name in (hers, "nope", "x\0y"):
        with pytest.raises(NotFoundError):
            live.submissions.page(ann, older_than=name)
    assert live.submissions.page(bea, older_than=hers).items == []
    with pytest.raises(HostingError, match="got both"):
        live.submissions.page(bea, older_than=hers, newer_than=hers)


def test_what_a_team_chose_is_counted_however_much_it_has_handed_in_since(live: Host) -> None:
    contest(live, Phase("final", "final", limits=Limits(per_day=None, concurrent=None, finals=2)))
    ann = person(live, "Ann")
    found = live.contests.find("numbers")
    names = handed_in(live, [ann], 2 * SIZE, phase="final")
    live.submissions.choose_final(ann, names[0])
    assert live.submissions.finals(ann, found, found.phases[0]) == 1
    assert live.submissions.finals(person(live, "Bea"), found, found.phases[0]) == 0
