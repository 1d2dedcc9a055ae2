"""Commands that run until they are told to end."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.service.cli.conftest import Imported
from tests.support.commands import PRECUNEUS, Shell, environment_of


@contextmanager
def running(shell: Shell, log: Path, *arguments: str, **settings: str) -> Iterator[Any]:
    """A command that serves; it must end in good order when it is told to."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*PRECUNEUS, *arguments],
            cwd=shell.folder,
            env=environment_of({**shell.settings, **settings}),
            stderr=errors,
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(client: httpx.Client, process: Any) -> None:
    while process.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the API ended")


def test_the_api_serves_and_tells_what_all_processes_counted(
    imported: Imported, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    setting = {"PRECUNEUS_HTTP__PORT": str(port)}
    with (
        running(imported.shell, log, "api", "serve", **setting) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        wait_until_ready(client, process)
        query, *others = imported.uids
        body = client.get(f"/v1/instances/{query}/similar").json()
        assert {n["sop_instance_uid"] for n in body["neighbours"]} == set(others)
        assert client.get(f"/v1/instances/{query}/preview").headers["content-type"] == "image/png"
        metrics = client.get("/metrics").text
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    # The workers' processes have ended; what they counted is still there.
    assert samples["precuneus_embedded_total",] >= 6
    assert samples["precuneus_embedded_frames_total",] >= 6
    route = "/v1/instances/{sop_instance_uid}/similar"
    assert samples["precuneus_request_seconds_count", "GET", route, "200"] == 1
    # No UID and no patient becomes a label.
    assert query not in metrics
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all("ZQ-" not in str(line) and query not in str(line) for line in lines)


def test_off_loopback_the_api_does_not_start_without_a_key(shell: Shell) -> None:
    ended = shell.run("api", "serve", PRECUNEUS_HTTP__HOST="0.0.0.0", PRECUNEUS_HTTP__PORT="0")
    assert (ended.code, ended.output) == (2, "")
    assert "api key create" in ended.errors


def test_off_loopback_the_api_takes_the_key_of_a_secret(shell: Shell, tmp_path: Path) -> None:
    secret = tmp_path / "api_key"
    secret.write_text("a secret key of more than 24 characters\n")
    port = free_port()
    settings = {
        "PRECUNEUS_HTTP__HOST": "0.0.0.0",
        "PRECUNEUS_HTTP__PORT": str(port),
        "PRECUNEUS_HTTP__API_KEY_FILE": str(secret),
    }
    log = tmp_path / "log"
    key = {"Authorization": f"Bearer {secret.read_text().strip()}"}
    with (
        running(shell, log, "api", "serve", **settings) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        while process.poll() is None:
            try:
                assert client.get("/livez").status_code == 200
                break
            except httpx.TransportError:
                time.sleep(0.05)
        assert client.get("/v1/instances/1.2").status_code == 401
        assert client.get("/v1/instances/1.2", headers=key).status_code == 404
    assert "a secret key" not in log.read_text()
