"""Ways of searching under measurement, and what they found."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from sqlalchemy import Engine

from benchmarks.query.gallery import Gallery
from benchmarks.query.slices import MadeUpSlices
from service.search.similar import Query, similar

K = 10
SQL, REST, EXACT = "SQL, HNSW", "REST, HNSW", "SQL, exact"


class SqlSearch:
    """The service's search, called as the API calls it; `methods` counts how it answered."""

    def __init__(self, engine: Engine, *, exact: bool) -> None:
        self._engine = engine
        self._exact = exact
        self.methods: Counter[str] = Counter()

    def __call__(self, sop_instance_uid: str) -> list[str]:
        with self._engine.connect() as connection:
            answer = similar(connection, Query(sop_instance_uid, k=K, exact=self._exact))
        self.methods[answer.method] += 1
        return [neighbour.sop_instance_uid for neighbour in answer.neighbours]


@dataclass
class Searcher:
    """One way of searching, its latencies in seconds and its answers by query.

    `prepare` is called before each round of queries and not timed.
    """

    name: str
    search: Callable[[str], list[str]]
    prepare: Callable[[], object] = lambda: None
    latencies: list[float] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, sop_instance_uid: str) -> None:
        """Search, and keep how long it took and what it found."""
        started = perf_counter()
        answer = self.search(sop_instance_uid)
        self.latencies.append(perf_counter() - started)
        self.answers[sop_instance_uid] = answer

    def recall(self, truth: "Searcher") -> float:
        """The share of the true neighbours that it found, over all queries."""
        found = sum(
            len(set(self.answers[uid]) & set(right)) for uid, right in truth.answers.items()
        )
        return found / sum(len(right) for right in truth.answers.values())


@dataclass(frozen=True)
class Searched:
    """What was measured on one gallery; `by_index` of `asked` answers came from the index."""

    gallery: Gallery
    slices: MadeUpSlices
    searchers: tuple[Searcher, ...]
    by_index: int
    asked: int

    def of_own_patient(self) -> int:
        """How many neighbours are of the query's own patient; there should be none."""
        patients = {
            uid: self.slices.patient_key(number) for number, uid in enumerate(self.gallery.uids)
        }
        return sum(
            patients[uid] == patients[query]
            for searcher in self.searchers
            for query, answer in searcher.answers.items()
            for uid in answer
        )


@dataclass(frozen=True)
class Searching:
    """A whole run."""

    pgvector: str
    galleries: tuple[Searched, ...]
