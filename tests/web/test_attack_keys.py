"""Attacks on sealed labels by the pages: errors that quote them, files that an organiser may not name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from hosting_helpers import PASSWORD, judged, person
from web_helpers import Browser, signed_in

from guerdon.hosting import Host, HostingError, Phase, Role
from guerdon.web.settings import Settings

SECRET = "swordfish in the third drawer"
SOURCE = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from guerdon import Challenge, Reward, Score, Task, Visibility
from guerdon.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Half(Reward):
    def judge(self, cases):
        return [Score(0.5) for _ in cases]


@dataclass(frozen=True, kw_only=True)
class Labelled(Challenge):
    """Reads its labels when it lists its tasks.

    Args:
        labels: a file of them.
        more: further ones.
        says: a text.
    """

    labels: str = ""
    more: tuple[str, ...] = ()
    says: str = ""
    name: ClassVar[str] = "labelled"
    splits: ClassVar = {"open": Visibility.OPEN, "final": Visibility.SEALED}

    @property
    def judge(self):
        return Half()

    def tasks(self, split):
        for path in (self.labels, *self.more):
            for line in Path(path).read_text().splitlines() if path else ():
                if line.startswith("raise "):
                    raise ValueError(f"{path}: {line}")
                if "," not in line:
                    raise ConfigError("labels as id,label", f"{path} has {line!r}", "Mend it")
        return [Task("only", {})]

    def keys(self, tasks):
        return [{"label": "a key"} for _ in tasks]
'''


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / "challenges"
    folder.mkdir()
    (folder / "labelled.py").write_text(SOURCE)
    (folder / "labels.csv").write_text(f"1,{SECRET}\n")
    return folder / "labels.csv"


@pytest.fixture
def strict(settings: Settings, labels: Path) -> Settings:
    return Settings(url=settings.url, challenges=str(labels.parent), requests=100_000, changes=100_000)


@pytest.fixture(params=["a config error", "any error"])
def damaged(request: pytest.FixtureRequest, tmp_path: Path, labels: Path) -> Iterator[Host]:
    """A host that was started anew after the labels of its one contest were damaged."""
    ref, fields = f"{labels.parent / 'labelled.py'}:Labelled", {"labels": str(labels)}
    with Host.open(tmp_path / "host.db") as host:
        phases = [Phase("open", "open"), Phase("final", "final")]
        admin = person(host, "Olga", Role.ORGANISER)
        host.contests.create(admin, ref, "labelled", "Labelled", phases, fields=fields, public=True)
        judged(host, host.submissions.submit(person(host, "Ann"), "labelled", "open", b"1"), 0.5)
    labels.write_text(SECRET if request.param == "a config error" else f"raise {SECRET}")
    with Host.open(tmp_path / "host.db") as host:
        yield host


def test_a_label_file_that_was_damaged_is_quoted_to_organisers_only(
    damaged: Host, strict: Settings, labels: Path
) -> None:
    token = damaged.people.sign_in("Ann", PASSWORD)
    bearer = {"authorization": f"Bearer {token}"}
    item = damaged.submissions.list_for(person(damaged, "Oskar", Role.ORGANISER))[0]
    ann, visitor = Browser(damaged, strict), Browser(damaged, strict)
    assert ann.sign_in("Ann").status_code == 303
    pages = ["/", "/challenges", "/submissions", f"/submissions/{item.id}", "/queue"]
    for phase in ("open", "final"):
        pages += [f"/challenges/labelled{rest}?phase={phase}" for rest in ("", "/submit", "/board.csv")]
        pages += [f"/api/v1/contests/labelled{rest}?phase={phase}" for rest in ("", "/board", "/limits")]
    answers = {path: ann.get(path, headers=bearer if "api" in path else {}) for path in pages}
    answers |= {f"{path}, by a visitor": visitor.get(path) for path in pages}
    call = "/api/v1/contests/labelled/submissions?phase=final"
    answers[call] = ann.http.post(call, content=b"1", headers=bearer)
    form = {"answer": "1", "csrf": ann.csrf("/account")}
    answers["form"] = ann.http.post("/challenges/labelled/submit?phase=final", data=form)
    for path, answer in answers.items():
        assert SECRET not in answer.text, path
        assert str(labels) not in answer.text, path
    for path in pages[:4]:  # and it takes nothing else with it
        assert ann.get(path).status_code == 200, path
    assert answers["form"].status_code == 503
    olga = Browser(damaged, strict)
    olga.sign_in("Olga")
    assert SECRET in olga.get("/challenges/labelled?phase=final").text


@pytest.mark.parametrize(
    ("field", "typed"),
    [("more", '["{}"]'), ("more", '[["{}"]]'), ("more", '{{"{}": 1}}'), ("labels", "{}"), ("says", "a\0/{}"),
     ("says", "{}\0")],
)  # fmt: skip
def test_an_organiser_over_the_net_names_no_file_of_the_host(
    host: Host, strict: Settings, tmp_path: Path, field: str, typed: str
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(SECRET)
    olga = signed_in(host, strict, "Olga", Role.ORGANISER)
    form = {"challenge": "labelled.py", "slug": "stolen", f"set-{field}": typed.format(outside)}
    answer = olga.post("/challenges/new", form, at="/challenges/new?challenge=labelled.py")
    assert answer.status_code == 400
    assert SECRET not in answer.text
    assert "in the folder for challenges" in answer.text


@pytest.mark.parametrize("typed", ["x" * 9000, "[" * 9000, "9" * 9000])
def test_a_setting_may_be_any_text(host: Host, strict: Settings, typed: str) -> None:
    olga = signed_in(host, strict, "Olga", Role.ORGANISER)
    form = {"challenge": "labelled.py", "slug": "long", "set-says": typed, "phased": "yes", "hold-0": "yes"}
    answer = olga.post("/challenges/new", form, at="/challenges/new?challenge=labelled.py")
    assert answer.status_code == 303
    more = {**form, "slug": "longer", "set-says": "", "set-more": typed}
    assert olga.post("/challenges/new", more, at="/challenges/new?challenge=labelled.py").status_code == 400


def test_numbers_that_no_data_base_holds_are_refused(host: Host, strict: Settings) -> None:
    olga = signed_in(host, strict, "Olga", Role.ORGANISER)
    form = {"challenge": "labelled.py", "slug": "numbers", "phased": "yes", "hold-0": "yes"}
    assert olga.post("/challenges/new", form, at="/challenges/new?challenge=labelled.py").status_code == 303
    at = "/challenges/numbers/edit"
    for name in ("version", "per_day-0", "total-0", "size-0", "seconds-0", "memory-0", "finals-0"):
        fields = {"phase": "open", "size-0": "1", "seconds-0": "1", "finals-0": "1", name: "9" * 20}
        assert olga.post(at, fields, at=at).status_code == 400, name
    with pytest.raises(HostingError):
        host.contests.get(person(host, "Ann"), "nothing")
