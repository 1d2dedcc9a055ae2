"""What every request passes on its way to a route, as plain ASGI.

Nothing here looks into a body or waits for anything. The framework's own decorator for this has a
task and a queue for each request, which takes as long as a short walk through the index.
"""

from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem
from service.metrics import ApiMetrics
from service.settings import is_loopback

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class MeasuredRequests:
    """Counts requests by route and status, and the time until their answers begin."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = monotonic()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._note(scope, status, monotonic() - started)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            # The framework answers what nobody foresaw outside of here.
            if not status:
                self._note(scope, 500, monotonic() - started)
            raise

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        # A made-up method would become a series of its own.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.request(method, route, status, seconds)


class OwnNamesOnly:
    """Refuses requests to other names than this machine's own.

    Without keys, a web page must not reach us by a name that it points at this machine.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or refuse it."""
        if scope["type"] != "http" or _is_own(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        detail = "Without API keys the service answers to localhost and 127.0.0.1 alone."
        await problem(421, "Misdirected request", detail)(scope, receive, send)


def _is_own(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
