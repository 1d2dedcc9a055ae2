"""What the API counts of its requests."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from service.api.middleware import MeasuredRequests
from service.metrics import ApiMetrics


class Noting(ApiMetrics):
    """Keeps what it is told, too."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, str, int]] = []

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        super().request(method, route, status, seconds)
        self.noted.append((method, route, status))


def asked(method: str, path: str) -> list[tuple[str, str, int]]:
    """What is counted of a request to an application with one route, which may fail."""
    metrics, app = Noting(), FastAPI()
    app.add_middleware(MeasuredRequests, metrics=metrics)

    @app.get("/slices/{uid}")
    def answer(uid: str) -> str:
        if uid == "9":
            raise RuntimeError(uid)
        return uid

    async def send() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.request(method, path)

    asyncio.run(send())
    return metrics.noted


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", "/slices/1", ("GET", "/slices/{uid}", 200)),
        ("GET", "/slices/9", ("GET", "/slices/{uid}", 500)),
        ("BREW", "/slices/1", ("other", "/slices/{uid}", 405)),
        ("GET", "/1.2.3", ("GET", "none", 404)),
    ],
)
def test_each_request_counts_once(method: str, path: str, counted: tuple[str, str, int]) -> None:
    assert asked(method, path) == [counted]
