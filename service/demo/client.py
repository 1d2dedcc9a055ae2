"""A small HTTP client of the REST API, on the standard library alone."""

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen


class Client:
    """Asks one service over plain HTTP on loopback."""

    def __init__(self, base_url: str, timeout_s: float = 60.0) -> None:
        self.base_url = base_url
        self._timeout_s = timeout_s

    def is_ready(self) -> bool:
        """Whether `/readyz` says so; False while nothing listens yet."""
        try:
            self._get("/readyz")
        except (HTTPError, URLError, HTTPException, OSError):
            return False
        return True

    def instance(self, sop_instance_uid: str) -> dict[str, Any] | None:
        """Facts and state of an instance, or None where the gallery has none."""
        try:
            return self._json(f"/v1/instances/{sop_instance_uid}")
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def similar(self, sop_instance_uid: str, k: int) -> dict[str, Any]:
        """The neighbours of an instance's first frame."""
        return self._json(f"/v1/instances/{sop_instance_uid}/similar?k={k}")

    def preview(self, sop_instance_uid: str, frame: int) -> bytes:
        """A slice as a PNG."""
        return self._get(f"/v1/instances/{sop_instance_uid}/preview?frame={frame}")

    def _json(self, path: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self._get(path))
        return body

    def _get(self, path: str) -> bytes:
        # The address is this program's own, always http on loopback.
        with urlopen(self.base_url + path, timeout=self._timeout_s) as response:  # noqa: S310
            body: bytes = response.read()
        return body
