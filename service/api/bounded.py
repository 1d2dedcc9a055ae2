"""Routes whose JSON is bounded before it is read.

The framework takes a body in whole, however long, before it asks for the key: so whoever can reach
the service could fill its memory. Files and tables have limits of their own.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from service.api.deps import Resources

MOST_JSON = 1 << 16


class BoundedRoute(APIRoute):
    """A route that refuses a body of more than 64 KiB, or one that does not arrive in time.

    Raises:
        UploadTooLarge, UploadIncomplete: as `UploadGate.read` does.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def read_first(request: Request) -> Response:
            resources: Resources = request.app.state.resources
            read = [await resources.uploads.read(request, MOST_JSON)]

            async def receive() -> Message:
                if not read:
                    return await request.receive()
                return {"type": "http.request", "body": read.pop(), "more_body": False}

            return await answer(Request(request.scope, receive))

        return read_first
