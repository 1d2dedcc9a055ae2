"""Asking the REST API over one connection that is kept open."""

import json
from http.client import HTTPConnection, HTTPException
from types import TracebackType

from benchmarks.errors import BenchmarkError


class RestClient:
    """One client of an API on this machine."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = HTTPConnection(host, port, timeout=60)

    def __enter__(self) -> "RestClient":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        self._connection.close()

    def reconnect(self) -> bool:
        """Open a new connection, since the API closes idle ones; whether the API answers."""
        self._connection.close()
        try:
            return self._get("/livez")[0] == 200
        except (OSError, HTTPException):
            return False

    def similar(self, sop_instance_uid: str, k: int) -> list[str]:
        """SOP Instance UIDs of the neighbours, nearest first.

        Raises:
            BenchmarkError: the API refused.
        """
        status, body = self._get(f"/v1/instances/{sop_instance_uid}/similar?k={k}")
        if status != 200:
            raise BenchmarkError(f"the API answered {status}")
        return [neighbour["sop_instance_uid"] for neighbour in json.loads(body)["neighbours"]]

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            return self._ask(path)
        except ConnectionError:
            # The API closes connections that were idle for some seconds.
            self._connection.close()
            return self._ask(path)

    def _ask(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        return response.status, response.read()
