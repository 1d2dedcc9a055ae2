"""The node as a process of its own, on the test's gallery."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service.settings import Settings
from tests.support.commands import PRECUNEUS, environment_of
from tests.support.service import free_port, listens
from tests.support.waiting import PATIENCE_S, eventually


class NodeProcess:
    """`precuneus node serve`, started, killed and started again as a test needs."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        assert settings.database.url is not None
        self.port = free_port()
        self.log = folder / "node.log"
        self._environment = environment_of(
            {
                "PRECUNEUS_STATE_DIR": str(settings.state_dir),
                "PRECUNEUS_DATABASE__URL": settings.database.url.get_secret_value(),
                "PRECUNEUS_DICOM__PORT": str(self.port),
                "PRECUNEUS_DICOM__FREE_SPACE_MB": "0",
            }
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it until it listens."""
        with self.log.open("ab") as output:
            self._process = process = subprocess.Popen(
                [*PRECUNEUS, "node", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

        def is_ready() -> bool:
            assert process.poll() is None, f"the node ended: {self.log.read_text()[-3000:]}"
            return listens(self.port)

        eventually(is_ready, "the node listens")

    @property
    def usage(self) -> psutil.Process:
        """What it takes of the machine."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def kill(self) -> None:
        """End it as a power failure would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it in good order; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@pytest.fixture
def node(settings: Settings, tmp_path: Path) -> Iterator[NodeProcess]:
    made = NodeProcess(settings, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether this is `make soak`, which takes hours where `make test` takes seconds."""
    return os.environ.get("SOAK") == "1"
