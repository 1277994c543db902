"""Requests made from the API's own document, by every role and by nobody: each answer is one that it describes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")
from hosting_helpers import CANARY, FREE, contest, guess, judged, person
from web_helpers import ORIGIN

from guerdon import Score
from guerdon.hosting import Actor, Host, Item, Phase, Role
from guerdon.web.app import make_app
from guerdon.web.settings import Settings

pytestmark = pytest.mark.slow
EXAMPLES = 40
"""Requests of each kind, role and operation."""
ITEM = b'{"prompt": "p", "system": "c", "content": "more"}'
SCOPES = ("read", "submit", "annotate", "organise")


@dataclass(frozen=True)
class Stage:
    """A host in full swing: what there is to name, and who asks."""

    app: Any
    document: dict[str, Any]
    names: dict[str, list[Any]]
    tokens: dict[str, str]


@pytest.fixture
def stage(host: Host, settings: Settings) -> Stage:
    contest(host, *(Phase(name, name, limits=FREE) for name in ("open", "test", "final")))
    people = {name: person(host, name, Role(name)) for name in ("entrant", "annotator", "organiser")}
    given = []
    for phase in ("open", "test", "final"):
        done = host.submissions.submit(people["entrant"], "numbers", phase, guess(phase, 3, -7, 12), note="mine")
        judged(host, done, 1.0, 0.5, 0.25)
        failed = host.submissions.submit(people["entrant"], "numbers", phase, guess(phase, "x", "y", "z"))
        judged(host, failed, *[Score.failed("judge", "broken", whose="judge")] * 3)
        waiting = host.submissions.submit(people["entrant"], "numbers", phase, guess(phase, 1, 2, 3))
        host.submissions.cancel(people["entrant"], waiting.id)
        given += [done.id, failed.id, waiting.id]
    asked = compared(host, people["annotator"], people["organiser"])
    tokens = {name: host.people.new_api_token(each, "all", SCOPES) for name, each in people.items()}
    app = make_app(host, settings)
    names = {
        "slug": ["numbers", "fresh"], "contest": ["numbers"], "phase": ["open", "test", "final"], "id": given,
        "pair": asked,
    }  # fmt: skip
    return Stage(app, _document(app), names, {**tokens, "nobody": "", "forged": "guerdon-api-" + "x" * 43})


def compared(host: Host, *people: Actor) -> list[str]:
    """Pictures and texts to compare, under the name of the contest; returns questions that were put to people."""
    host.comparisons.create(people[-1], "numbers", "Numbers")
    png = host.ledger.blobs.put(b"\x89PNG", "image/png")
    found = [Item(f"{k}{s}", png if k % 2 else f"text {k}", f"p{k}", s) for k in range(8) for s in "ab"]
    host.comparisons.add(people[-1], "numbers", found)
    host.comparisons.add_gold(people[-1], "numbers", "0a", "0b", "first")
    return [pair.id for each in people for pair in host.comparisons.next_pairs(each, "numbers", 4)]


def _document(app: Any) -> dict[str, Any]:
    from httpx import ASGITransport, AsyncClient

    async def read() -> Any:
        async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as client:
            return (await client.get("/api/v1/openapi.json")).json()

    found: dict[str, Any] = asyncio.run(read())
    return found


@pytest.mark.parametrize("role", ["entrant", "annotator", "organiser", "nobody", "forged"])
def test_every_answer_is_one_that_the_document_describes(stage: Stage, role: str) -> None:
    """Requests that fit the document, half of them with names that exist, and requests that do not fit it."""
    from schemathesis import GenerationMode, openapi

    got: dict[tuple[str, str], set[int]] = {}
    for found in openapi.from_dict(stage.document).get_all_operations():
        operation = found.ok()
        seen = got.setdefault((operation.method, operation.path), set())
        seen |= _ask(stage, operation, GenerationMode.POSITIVE, stage.tokens[role])
        if operation.path_parameters or operation.query:
            seen |= _ask(stage, operation, GenerationMode.NEGATIVE, stage.tokens[role])
    assert len(got) >= 24
    done = {name for name, statuses in got.items() if min(statuses) < 300}
    hand_in = ("post", "/api/v1/contests/{slug}/submissions")
    answers = {("post", "/api/v1/comparisons/pairs/{pair}/say"), ("post", "/api/v1/comparisons/{slug}/undo")}
    if role in ("nobody", "forged"):
        assert all(method == "get" for method, _ in done)
    if role == "organiser":
        assert done | {hand_in} == got.keys()  # it has closed the phases by then
    assert (hand_in in done) >= (role == "entrant")
    assert (answers <= done) == (role in ("annotator", "organiser"))


def _ask(stage: Stage, operation: Any, mode: Any, token: str) -> set[int]:
    """Statuses of the answers to many requests for one operation."""
    from hypothesis import HealthCheck, given, seed, settings, strategies
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as described

    wanted = [
        checks.not_a_server_error, described.status_code_conformance, described.content_type_conformance,
        described.response_headers_conformance, described.response_schema_conformance,
    ]  # fmt: skip
    heads = {"authorization": f"Bearer {token}"} if token else {}
    seen: set[int] = set()

    @seed(0)
    @given(case=operation.as_strategy(generation_mode=mode), data=strategies.data())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Any, data: Any) -> None:
        for part in (case.path_parameters, case.query):
            for name in stage.names.keys() & (part or {}).keys():
                if data.draw(strategies.booleans()):
                    part[name] = data.draw(strategies.sampled_from(stage.names[name]))
        if case.media_type == "application/octet-stream" and data.draw(strategies.booleans()):
            handed_in = guess((case.query or {}).get("phase", "open"), 1, 2, 3)
            case.body = ITEM if operation.path.endswith("items") else json.dumps(handed_in).encode()
        answer = case.call(app=stage.app, base_url=ORIGIN, headers=heads)
        case.validate_response(answer, checks=wanted)
        assert CANARY.encode() not in answer.content
        seen.add(answer.status_code)

    check()
    return seen
