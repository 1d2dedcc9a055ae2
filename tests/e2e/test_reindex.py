"""A gallery changes its encoder under queries while worker, API and database are killed."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.test_kill import kill_child, kill_database
from tests.support.encoders import tiny_checkpoint
from tests.support.objects import ct_dataset, write_file
from tests.support.service import Service
from tests.support.waiting import eventually

SOAK = os.environ.get("SOAK") == "1"
SLICES = 20_000 if SOAK else 300
LATE = 10
QUERIES_A_SECOND = 20

pytestmark = pytest.mark.timeout(7200 if SOAK else 600)
Found = tuple[str, str, tuple[tuple[str, float], ...]]


@dataclass
class Queries:
    """Asks for neighbours at a steady pace; what fails while something is down is `excused`."""

    port: int
    uids: list[str]
    answers: list[Found] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    excused: int = 0
    _down: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Begin; end with this context."""
        thread = threading.Thread(target=self._ask_on)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Something is killed in this context, which ends when it is back."""
        self._down.set()
        yield
        # A query that was sent before may still come back without an answer.
        before = len(self.answers)
        eventually(lambda: len(self.answers) > before + 2, "queries are answered again")
        self._down.clear()

    def _ask_on(self) -> None:
        chosen = random.Random(1)
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as http:
            while not self._ended.wait(1 / QUERIES_A_SECOND):
                self._ask(http, chosen.choice(self.uids))

    def _ask(self, http: httpx.Client, uid: str) -> None:
        was_down = self._down.is_set()
        try:
            answer = http.get(f"/v1/instances/{uid}/similar", params={"k": 5}, timeout=60)
            body = answer.json() if answer.is_success else None
            fault = f"{answer.status_code} {answer.text}"
        except httpx.TransportError as error:
            body, fault = None, repr(error)
        if body is not None:
            found = tuple((n["sop_instance_uid"], n["distance"]) for n in body["neighbours"])
            self.answers.append((uid, body["encoder"], found))
        elif was_down or self._down.is_set():
            self.excused += 1
        else:
            self.failures.append(fault)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Small slices, five a patient; in `late` those that arrive during the reindex."""
    folder = tmp_path / "slices"
    for number in range(SLICES + LATE):
        part = "late" if number >= SLICES else "early"
        dataset = ct_dataset(patient_id=f"SMALL-{number // 5}", seed=number)
        write_file(folder / part / f"{number}.dcm", dataset)
    return folder


def test_a_change_of_encoder_under_queries_and_kills(
    make_service: Callable[..., Service], files: Path, tmp_path: Path
) -> None:
    service = make_service(
        PRECUNEUS_WORKER__LEASE_S="3",
        PRECUNEUS_REINDEX__BATCH_SIZE=str(max(8, SLICES // 100)),
        # Slow enough to be killed in the middle.
        PRECUNEUS_REINDEX__SHARE="0.5" if SOAK else "0.04",
    ).start()
    service.run("gallery", "import", files / "early")
    service.await_settled()
    other = tiny_checkpoint(tmp_path / "other", seed=2, widths=(8, 8, 16), size=24)
    service.run("encoder", "register", other)
    queries = Queries(service.http_port, list(service.states()))
    with queries.asking():
        fill_among_kills(service, queries, files / "late")
        service.run("encoder", "activate", other.stem)
        await_answers_of(queries, other.stem)
        first = next(name for _, name, _ in queries.answers if name != other.stem)
        service.run("encoder", "activate", first)
        await_answers_of(queries, first)
    assert queries.failures == []
    assert_complete(service)
    assert_none_mixed(service, queries.answers)
    assert service.stop() == 0


def fill_among_kills(service: Service, queries: Queries, late: Path) -> None:
    deaths: list[Callable[[], None]] = [
        lambda: kill_child(service, "worker"),
        lambda: kill_child(service, "api"),
        lambda: kill_database(service),
    ]
    service.run("index", "reindex", "--encoder", "2")
    for number, kill in enumerate(deaths, start=1):
        enough = number * SLICES // (len(deaths) + 2)
        eventually(lambda enough=enough: slices_of(service, 2) >= enough, "enough is embedded")
        assert slices_of(service, 2) < SLICES, "the fill was over before the kill"
        with queries.down():
            kill()
    service.run("gallery", "import", late)
    service.run("index", "reindex", "--encoder", "2", "--wait")
    service.await_settled()


def slices_of(service: Service, encoder_id: int) -> int:
    statement = "SELECT count(*) FROM embedding WHERE encoder_id = %s"
    ((count,),) = service.rows(statement, encoder_id)
    return int(count)


def await_answers_of(queries: Queries, encoder: str) -> None:
    """Return when the last ten answers came from an encoder."""
    start = len(queries.answers)

    def has_answered() -> bool:
        last = queries.answers[start:][-10:]
        return len(last) == 10 and {name for _, name, _ in last} == {encoder}

    eventually(has_answered, f"{encoder} answers")


def assert_complete(service: Service) -> None:
    """Both encoders have every slice, none twice, and nothing is left to do."""
    eventually(
        lambda: service.rows("SELECT count(*) FROM reindex_chunk") == [(0,)], "followers are even"
    )
    rows = service.rows(
        "SELECT encoder_id, count(*), count(DISTINCT instance_id) FROM embedding"
        " GROUP BY 1 ORDER BY 1"
    )
    assert rows == [(n, SLICES + LATE, SLICES + LATE) for n in (1, 2)]
    assert service.rows("SELECT * FROM reindex_failure") == []
    assert set(service.states().values()) == {("embedded", None)}


def assert_none_mixed(service: Service, answers: list[Found]) -> None:
    """Each distance is that between coordinates of the encoder that the answer names."""
    assert len({name for _, name, _ in answers}) == 2
    places = coordinates(service)
    for uid, encoder, neighbours in answers:
        assert len(neighbours) == 5
        own = places[encoder, uid]
        for other, distance in neighbours:
            apart = float(np.linalg.norm(own - places[encoder, other]))
            assert distance == pytest.approx(apart, abs=1e-4)


def coordinates(service: Service) -> dict[tuple[str, str], NDArray[np.float64]]:
    rows = service.rows(
        "SELECT name, sop_instance_uid, coordinates::real[] FROM embedding"
        " JOIN encoder USING (encoder_id) JOIN instance USING (instance_id)"
    )
    return {(name, uid): np.array(vector) for name, uid, vector in rows}
