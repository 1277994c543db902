"""The web application: pages and a JSON API over `guerdon.hosting`. Needs the extra `web`."""

from guerdon.web.settings import Settings

__all__ = ["Settings"]
