"""A whole service as its users run it: `precuneus serve` and the commands, as processes."""

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2

from dicom_node.scu import echo
from service.postgres import Cluster
from tests.support.waiting import PATIENCE_S, eventually

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "service.cli.main")
AE_TITLE = "PRECUNEUS"

# Below the ports that the system gives to clients, and those of the embedded database.
_PORTS = range(12000, 20000)


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    for port in random.sample(_PORTS, 100):
        if not listens(port):
            return port
    raise AssertionError("no free port among a hundred")


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def echoes(port: int) -> bool:
    """Whether a DICOM node answers; pynetdicom leaves a socket behind where nobody listens."""
    return listens(port) and echo("127.0.0.1", port, AE_TITLE, "TEST").succeeded


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with no settings of the developer's, and `settings`."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PRECUNEUS_")}
    return {**inherited, "PYTHONPATH": str(REPOSITORY), **settings}


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """All living processes of the service of a state folder, those of its database among them."""
    data = Cluster(state_dir).data_dir
    return [process for process in psutil.process_iter() if _belongs(process, state_dir, data)]


def _belongs(process: psutil.Process, state_dir: Path, data: Path) -> bool:
    try:
        if process.name() == "postgres":
            return Path(process.cwd()) == data
        return process.environ().get("PRECUNEUS_STATE_DIR") == str(state_dir)
    except psutil.Error:
        return False


class Service:
    """One state folder with ports of its own; started, killed and started again as a test needs."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings` are environment variables beside those of state folder and ports."""
        self.state_dir = folder.resolve() / "state"
        self.log = folder / "serve.log"
        self.dicom_port, self.http_port = free_port(), free_port()
        self.database = Cluster(self.state_dir)
        self.environment = clean_environment(
            {
                "PRECUNEUS_STATE_DIR": str(self.state_dir),
                "PRECUNEUS_DICOM__PORT": str(self.dicom_port),
                "PRECUNEUS_HTTP__PORT": str(self.http_port),
                **settings,
            }
        )
        self.process: subprocess.Popen[bytes] | None = None
        address = f"http://127.0.0.1:{self.http_port}"
        self.http = httpx.Client(base_url=address, trust_env=False, timeout=120)
        self._folder = folder

    def launch(self, *options: str) -> "subprocess.Popen[bytes]":
        """Run `precuneus serve`, its log going to `log`; returns at once."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", *options],
                env=self.environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self.process

    def start(self, *options: str) -> "Service":
        """Run `precuneus serve` and return once all of it is ready."""
        process = self.launch(*options)

        def is_ready() -> bool:
            assert process.poll() is None, f"serve ended: {self.log.read_text()[-3000:]}"
            return self.is_ready()

        eventually(is_ready, "the service is ready")
        return self

    def is_ready(self) -> bool:
        """Whether `/readyz` says so and the node answers."""
        try:
            ready = self.http.get("/readyz").status_code != httpx.codes.SERVICE_UNAVAILABLE
        except httpx.TransportError:
            return False
        return ready and echoes(self.dicom_port)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End whatever is left and delete the embedded database."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for process in processes_of(self.state_dir):
            if process.name() != "postgres":
                process.kill()
        self.http.close()
        Cluster(self.state_dir).remove()

    def run(self, *arguments: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command beside the service, such as `gallery stats`."""
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def stats(self) -> dict[str, Any]:
        """What `gallery stats --json` says."""
        found: dict[str, Any] = json.loads(self.run("gallery", "stats", "--json").stdout)
        return found

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, asked of the gallery's database."""
        with self.database.running():
            connection = psycopg2.connect(self.database.dsn())
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return cursor.fetchall()
            finally:
                connection.close()

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and reason of each instance, by SOP Instance UID."""
        rows = self.rows("SELECT sop_instance_uid, state, reason FROM instance")
        return {uid: (state, reason) for uid, state, reason in rows}

    def await_settled(self) -> None:
        """Return once nothing waits for the worker."""
        eventually(
            lambda: self.rows("SELECT count(*) FROM embedding_job") == [(0,)],
            "everything is embedded",
            pause_s=0.2,
        )

    def records(self, action: str) -> list[dict[str, Any]]:
        """The log's records of one action, oldest first; codecs may write lines of their own."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return [record for record in records if record.get("action") == action]

    def child(self, name: str) -> psutil.Process | None:
        """The node, worker or api that lives now."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            try:
                if process.cmdline()[len(COMMAND) :][:1] == [name]:
                    return process
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return None

    def objects(self, suffix: str = ".dcm") -> list[Path]:
        """The stored files."""
        return sorted((self.state_dir / "objects").glob(f"*/*{suffix}"))


@contextmanager
def running_service(folder: Path, *options: str, **settings: str) -> Iterator[Service]:
    """A service that is ready; ended, with all that belongs to it, at the end."""
    service = Service(folder, **settings)
    try:
        yield service.start(*options)
    finally:
        service.close()
