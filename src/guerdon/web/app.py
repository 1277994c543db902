"""The application: every page, the JSON API, and the guard before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError
from guerdon.hosting import Host
from guerdon.web.calling import ascii_json
from guerdon.web.desk import Desk, assets
from guerdon.web.guard import Guard, RefusedError
from guerdon.web.settings import Settings
from guerdon.web.visit import Page, lost, refused, route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def make_app(host: Host, settings: Settings | None = None) -> Guard:
    """The web application over an open host.

    Args:
        host: the contests; open for as long as the application runs.
        settings: whom to serve; this machine alone by default.

    Returns:
        An ASGI application.

    Raises:
        ConfigError: the extra `web` is not installed.
    """
    try:
        from fastapi import FastAPI
        from starlette.routing import Route
    except ImportError as error:
        raise ConfigError("the web application's packages", str(error), "pip install 'guerdon[web]'") from None
    from guerdon import __version__
    from guerdon.web import api, live

    desk = Desk(host, settings or Settings())
    app = FastAPI(
        title="guerdon", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json",
        summary="Contests: challenges, submissions, leaderboards, the queue; comparisons by people.",
        redirect_slashes=False, default_response_class=ascii_json(),
    )  # fmt: skip
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(Exception, lost)
    api.mount(app, desk)
    app.router.routes.append(Route("/static/{name}", _static))
    app.router.routes.append(Route("/live", live.stream(desk)))
    for page in pages():
        app.router.routes.append(route(desk, page))
    app.router.routes.append(route(desk, Page("/{rest:path}", get=_nowhere)))
    return Guard(app, desk.settings, desk.over)


def pages() -> list[Page]:
    """All pages."""
    from guerdon.web import (
        accounts,
        compare,
        contests,
        importing,
        leaving,
        manual,
        organising,
        queue,
        records,
        renewing,
        submissions,
        systems,
    )

    parts = (
        importing,
        contests,
        organising,
        submissions,
        queue,
        compare,
        records,
        systems,
        accounts,
        renewing,
        leaving,
        manual,
    )
    return [page for part in parts for page in part.PAGES]


def _static(request: Request) -> Response:
    """Style and scripts."""
    from starlette.responses import PlainTextResponse, Response

    name = request.path_params["name"]
    if name not in assets():
        return PlainTextResponse("There is no such file.\n", 404)
    content, media = assets()[name]
    kept = {"cache-control": "public, max-age=31536000, immutable" if "v" in request.query_params else "no-cache"}
    return Response(content, media_type=media, headers=kept)


def _nowhere(visit: Any) -> Any:
    from guerdon.hosting import NotFoundError

    raise NotFoundError("a page of this host", "there is none at this address", "Begin with the list of challenges")
