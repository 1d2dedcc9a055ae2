"""`precuneus serve` as an administrator meets it: starting, refusing, closing doors, ending."""

import json
import os
import re
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from dicom_node.scu import send
from service.postgres.account import server_account
from tests.support.service import AE_TITLE, Service, free_port, processes_of, running_service
from tests.support.slices import small_cts
from tests.support.waiting import PATIENCE_S, eventually

_USAGE_ERROR = 2
_ENDED_BY_SIGTERM = 128 + signal.SIGTERM
_OBJECTS = 12

MakeService = Callable[..., Service]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service with a few objects, in a folder through which every account may pass."""
    with tempfile.TemporaryDirectory(prefix="precuneus-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        with running_service(folder) as running:
            files = small_cts(folder / "sent", _OBJECTS)
            results = list(send(files, "127.0.0.1", running.dicom_port, AE_TITLE))
            assert [result.status for result in results] == [0] * _OBJECTS
            running.await_settled()
            yield running


def test_a_second_service_on_the_same_state_folder_is_refused(service: Service) -> None:
    refused = service.run(
        "serve", "--dicom-port", free_port(), "--http-port", free_port(), check=False
    )
    assert refused.returncode == _USAGE_ERROR
    assert f"Another `precuneus serve` already uses {service.state_dir}." in refused.stderr
    assert service.is_ready()


def test_stored_objects_and_secrets_are_for_their_owner_alone(service: Service) -> None:
    assert len(service.objects()) == _OBJECTS
    for name in ("objects", "secrets"):
        folder = service.state_dir / name
        paths = [folder, *folder.rglob("*")]
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
        assert len(modes) > 1
        assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
        assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.usefixtures("root")
def test_the_databases_account_reads_its_own_folder_only(service: Service) -> None:
    account = server_account()
    assert account.separate

    def reads(path: Path) -> bool:
        return account.run(["cat", path]).returncode == 0

    assert reads(service.database.data_dir / "PG_VERSION")
    (secret,) = (path for path in (service.state_dir / "secrets").iterdir() if path.is_file())
    assert not reads(secret)
    assert not any(reads(path) for path in service.objects())
    assert not account.can_enter(service.state_dir / "objects")
    assert not account.can_enter(service.state_dir / "secrets")


def test_stats_are_told_while_the_service_runs(service: Service) -> None:
    assert service.stats()["instances"] == {"embedded": _OBJECTS}
    assert service.is_ready()


def test_our_own_node_answers_an_echo(service: Service) -> None:
    assert service.run("node", "echo").returncode == 0


def test_an_echo_to_where_nobody_listens_fails(service: Service) -> None:
    failed = service.run("node", "echo", "--port", free_port(), check=False)
    assert failed.returncode == 1
    assert "No answer: " in failed.stdout


def test_the_doctor_finds_nothing_wrong_with_a_running_service(service: Service) -> None:
    findings = json.loads(service.run("doctor", "--json").stdout)
    assert [finding for finding in findings if finding["verdict"] == "wrong"] == []
    assert {"PostgreSQL", "pgvector", "migrations", "active encoder"} <= {
        finding["subject"] for finding in findings
    }


def test_sigterm_in_a_push_loses_nothing_that_was_acknowledged_and_leaves_no_process(
    make_service: MakeService, tmp_path: Path
) -> None:
    service = make_service().start()
    files = small_cts(tmp_path / "sent", 200)
    acknowledged: list[str] = []
    for result in send(files, "127.0.0.1", service.dicom_port, AE_TITLE):
        if result.status == 0:
            acknowledged.append(str(result.sop_instance_uid))
        if len(acknowledged) == 20:
            assert service.process is not None
            service.process.terminate()
    assert service.process is not None
    assert service.process.wait(PATIENCE_S) == 0
    assert processes_of(service.state_dir) == []
    assert len(acknowledged) >= 20

    # The database runs for the time of a command, and no longer.
    assert sum(service.stats()["instances"].values()) >= len(acknowledged)
    assert processes_of(service.state_dir) == []

    service.start()
    service.await_settled()
    states = service.states()
    assert {states.get(uid) for uid in acknowledged} == {("embedded", None)}
    assert service.stop() == 0
    assert processes_of(service.state_dir) == []


@pytest.mark.parametrize("option", ["--dicom-port", "--http-port"])
def test_a_taken_port_is_told_with_the_option_that_changes_it(
    service: Service, make_service: MakeService, option: str
) -> None:
    taken = {"--dicom-port": service.dicom_port, "--http-port": service.http_port}[option]
    other = make_service()
    refused = other.run("serve", option, taken, check=False)
    assert refused.returncode == _USAGE_ERROR
    assert f"127.0.0.1:{taken} cannot be used" in refused.stderr
    assert f"Choose another with {option}" in refused.stderr
    assert processes_of(other.state_dir) == []


def test_off_loopback_a_key_is_demanded(make_service: MakeService) -> None:
    service = make_service()
    refused = service.run("serve", "--http-host", "0.0.0.0", check=False)
    assert refused.returncode == _USAGE_ERROR
    assert "precuneus api key create" in refused.stderr
    assert processes_of(service.state_dir) == []

    key = service.run("api", "key", "create", "a viewer").stdout.strip()
    service.start("--http-host", "0.0.0.0")
    with_key = {"Authorization": f"Bearer {key}"}
    ready = httpx.codes.OK
    eventually(
        lambda: service.http.get("/readyz", headers=with_key).status_code == ready, "it is ready"
    )
    schema = service.http.get("/openapi.json", headers=with_key).raise_for_status().json()
    routes = [(route, method) for route, of in schema["paths"].items() for method in of]
    assert ("/livez", "get") in routes
    for route, method in [*routes, ("/openapi.json", "get")]:
        path = re.sub(r"{\w+}", "1", route)
        closed = httpx.codes.OK if route == "/livez" else httpx.codes.UNAUTHORIZED
        assert service.http.request(method, path).status_code == closed, route
        forged = {"Authorization": f"Bearer {key[:-1]}"}
        assert service.http.request(method, path, headers=forged).status_code == closed, route
        if method != "get":
            continue
        # Labels may be said of what is still to come.
        is_known = "{" not in route or route.endswith("/labels")
        opened = httpx.codes.OK if is_known else httpx.codes.NOT_FOUND
        assert service.http.get(path, headers=with_key).status_code == opened, route

    listed = json.loads(service.run("api", "key", "list", "--json").stdout)
    assert key not in json.dumps(listed)
    service.run("api", "key", "revoke", listed[0]["api_key_id"])
    revoked = service.http.get("/metrics", headers=with_key)
    assert revoked.status_code == httpx.codes.UNAUTHORIZED


def database_is_made(service: Service) -> bool:
    return bool(programs_below(service.state_dir / "postgres"))


def database_starts(service: Service) -> bool:
    return bool(processes_of_database(service))


def children_start(service: Service) -> bool:
    return "child_started" in service.log.read_text()


def processes_of_database(service: Service) -> list[psutil.Process]:
    return [process for process in processes_of(service.state_dir) if process.name() == "postgres"]


def programs_below(folder: Path) -> list[psutil.Process]:
    """Processes that work in a folder, or were given a path in it, initdb's among them."""
    found = []
    for process in psutil.process_iter():
        try:
            places = [process.cwd(), *process.cmdline()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(folder) in place for place in places):
            found.append(process)
    return found


@pytest.mark.parametrize("moment", [database_is_made, database_starts, children_start])
def test_sigterm_while_it_starts_leaves_nothing_and_harms_nothing(
    open_dir: Path, moment: Callable[[Service], bool]
) -> None:
    service = Service(open_dir)
    try:
        process = service.launch()
        eventually(lambda: moment(service), "it gets there", pause_s=0.01)
        process.terminate()
        assert process.wait(PATIENCE_S) in (0, _ENDED_BY_SIGTERM)
        assert processes_of(service.state_dir) == []
        # What initdb started ends when its pipe does.
        eventually(lambda: not programs_below(service.state_dir), "nothing is left")
        assert service.stats()["instances"] == {}
        assert processes_of(service.state_dir) == []
    finally:
        service.close()
