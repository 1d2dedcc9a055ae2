"""Every part of the service is killed while studies arrive; what was acknowledged is all there."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dicom_node.files import ObjectStore
from service.postgres.postmaster import find_postmaster
from tests.support.objects import ct_dataset, write_file
from tests.support.peers import storescu
from tests.support.service import Service
from tests.support.waiting import eventually

FILES, SENDERS, AT_A_TIME = 500, 4, 25

pytestmark = pytest.mark.usefixtures("dcmtk")


class Senders:
    """Peers that push in parallel and try again, as a PACS does, what was not acknowledged."""

    def __init__(self, port: int, files: Sequence[Path]) -> None:
        self.acknowledged: set[Path] = set()
        self._port = port
        self._ended = threading.Event()
        parts = [files[number::SENDERS] for number in range(SENDERS)]
        self._threads = [threading.Thread(target=self._push, args=(part,)) for part in parts]

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Begin; at the end all has been acknowledged, or the test has failed."""
        for thread in self._threads:
            thread.start()
        try:
            yield
            eventually(lambda: not any(map(threading.Thread.is_alive, self._threads)), "all sent")
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def await_acknowledged(self, count: int) -> None:
        """Return as soon as that many files have been acknowledged."""
        eventually(lambda: len(self.acknowledged) >= count, "enough arrived", pause_s=0.002)

    def _push(self, files: Sequence[Path]) -> None:
        while not self._ended.wait(0.05):
            left = [file for file in files if file not in self.acknowledged]
            if not left:
                return
            storescu(self._port, left[:AT_A_TIME], self.acknowledged.add)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """500 small slices of 50 patients, by SOP Instance UID."""
    folder = tmp_path_factory.mktemp("small")
    files = {}
    for number in range(FILES):
        dataset = ct_dataset(patient_id=f"SMALL-{number // 10}", seed=number)
        files[str(dataset.SOPInstanceUID)] = write_file(folder / f"{number}.dcm", dataset)
    return files


def kill_child(service: Service, name: str) -> None:
    """Kill a child with -9 and return when another has taken its place."""
    victim = service.child(name)
    assert victim is not None
    victim.kill()
    eventually(lambda: service.child(name) not in (None, victim), f"another {name} runs")


def kill_database(service: Service) -> None:
    """Kill the postmaster and all of its processes; the service starts it again."""
    postmaster = find_postmaster(service.database.data_dir)
    assert postmaster is not None
    for process in [postmaster.process, *postmaster.process.children(recursive=True)]:
        process.kill()
    eventually(service.database.is_running, "the database is back")


def kill_serve(service: Service) -> None:
    """Kill `serve` itself and start it anew, as an init system does, until it can."""
    assert service.process is not None
    service.process.kill()
    assert service.process.wait() == -signal.SIGKILL

    def starts() -> bool:
        process = service.launch()
        eventually(lambda: process.poll() is not None or service.is_ready(), "ready, or ended")
        return process.poll() is None

    eventually(starts, "the service runs again")


def test_what_was_acknowledged_survives_every_kill(
    make_service: Callable[..., Service], small_files: dict[str, Path]
) -> None:
    # Short leases: a killed worker's jobs are soon free for the next.
    service = make_service(PRECUNEUS_WORKER__LEASE_S="3").start()
    senders = Senders(service.dicom_port, list(small_files.values()))
    deaths: list[Callable[[], None]] = [
        lambda: kill_child(service, "node"),
        lambda: kill_child(service, "worker"),
        lambda: kill_database(service),
        lambda: kill_serve(service),
    ]
    with senders.pushing():
        for number, kill in enumerate(deaths, start=1):
            enough = number * FILES // (len(deaths) + 2)
            senders.await_acknowledged(enough)
            assert len(senders.acknowledged) < FILES, "the push was over before the kill"
            kill()
    assert len(senders.acknowledged) == FILES
    service.await_settled()
    assert service.states() == dict.fromkeys(small_files, ("embedded", None))
    assert_consistent(service)
    assert_no_zombie(service)
    assert service.stop() == 0


def assert_consistent(service: Service) -> None:
    """Each slice is embedded once, no job is left, and each row's file is whole."""
    embedded = service.rows(
        "SELECT count(*), count(DISTINCT instance_id), min(frame), max(frame) FROM embedding"
    )
    assert embedded == [(FILES, FILES, 1, 1)]
    assert service.rows("SELECT * FROM embedding_job") == []
    assert service.objects(".part") == []
    store = ObjectStore(service.state_dir)
    rows = service.rows(
        "SELECT file_name, file_size, sha256 FROM instance "
        "UNION ALL SELECT file_name, file_size, sha256 FROM conflict"
    )
    described = [store.describe(name)[0] for name, _, _ in rows]
    assert [(f.name, f.size, f.sha256) for f in described] == [(n, s, bytes(h)) for n, s, h in rows]


def assert_no_zombie(service: Service) -> None:
    assert service.process is not None
    family = psutil.Process(service.process.pid).children(recursive=True)
    assert [child for child in family if child.status() == psutil.STATUS_ZOMBIE] == []
