"""Ways of searching under measurement, and what they found."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from sqlalchemy import Connection, Engine

from benchmarks.query.answers import K
from benchmarks.query.gallery import number_of, sop_instance_uid
from benchmarks.spread import Spread
from service.encoders.registry import get_active
from service.search.direct import send
from service.search.filters import Filters
from service.search.similar import Query, first_message, similar

SQL, SEARCH, REST = "SQL, HNSW", "search, HNSW", "REST, HNSW"
EXACT = "search, exact"


class SqlSearch:
    """The SQL of the service's search on an open connection, from its first message on.

    Where that cannot vouch for its answer, the whole search follows, and its time counts, too.
    """

    def __init__(self, connection: Connection, *, same_patient: bool = False) -> None:
        self._whole = ServiceSearch(connection.engine, same_patient=same_patient)
        self._connection = connection
        with connection.engine.connect() as other:
            self._encoder = get_active(other)

    def __call__(self, query: int) -> list[int]:
        asked = self._whole.asked(query)
        walked = send(self._connection, first_message(self._encoder, asked))
        if walked is None or walked.rows is None:
            return self._whole(query)
        return [number_of(row.sop_instance_uid) for row in walked.rows]


class ServiceSearch:
    """The service's search, called as the API calls it; `methods` counts how it answered."""

    def __init__(
        self,
        engine: Engine,
        *,
        filters: Filters | None = None,
        same_patient: bool = False,
        exact: bool = False,
    ) -> None:
        self._engine = engine
        self._filters = filters or Filters()
        self._same_patient = same_patient
        self._exact = exact
        self.methods: Counter[str] = Counter()

    def asked(self, query: int) -> Query:
        """The question near the slice of that number."""
        return Query(
            sop_instance_uid(query),
            k=K,
            same_patient=self._same_patient,
            filters=self._filters,
            exact=self._exact,
        )

    def __call__(self, query: int) -> list[int]:
        with self._engine.connect() as connection:
            answer = similar(connection, self.asked(query))
        self.methods[answer.method] += 1
        return [number_of(neighbour.sop_instance_uid) for neighbour in answer.neighbours]


@dataclass
class Searcher:
    """One way of searching, its latencies in seconds and its answers by query.

    Slow ones are asked only every so many queries. `prepare` is called before each round and not
    timed.
    """

    name: str
    search: Callable[[int], Sequence[int]]
    every: int = 1
    prepare: Callable[[], object] = lambda: None
    latencies: list[float] = field(default_factory=list)
    answers: dict[int, Sequence[int]] = field(default_factory=dict)

    def ask_all(self, queries: Sequence[int]) -> None:
        """Search for its share of these; keep how long each took and what it found."""
        self.prepare()
        for query in queries[:: self.every]:
            started = perf_counter()
            answer = self.search(query)
            self.latencies.append(perf_counter() - started)
            self.answers[query] = answer

    def ms(self, percent: float) -> float:
        """A percentile of its latencies, in milliseconds."""
        return 1000 * Spread.of(self.latencies).percentile(percent)
