"""The REST API on a real port of this machine, served from a thread."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from service.api.app import create_app
from service.api.deps import Resources

PROBLEM = "application/problem+json"


@contextmanager
def serving(resources: Resources) -> Iterator[httpx.Client]:
    """A client of the API; the server ends in good order with this context."""
    config = uvicorn.Config(create_app(resources), host="127.0.0.1", port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def problem_of(response: httpx.Response, status: int) -> str:
    """The detail of an error answer, which must be a problem of that status (RFC 9457)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["title"]
    detail: str = body["detail"]
    assert detail
    return detail
