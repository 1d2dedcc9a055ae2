"""Several clients at once, each asking its next question when it has its answer."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

from benchmarks.children import HOST
from benchmarks.query.answers import K
from benchmarks.query.gallery import number_of, sop_instance_uid
from benchmarks.query.rest import RestClient
from benchmarks.spread import Spread

Ask = Callable[[int], Sequence[int]]


@dataclass(frozen=True)
class Crowd:
    """What so many clients measured: latencies in seconds, and queries a second in all."""

    name: str
    clients: int
    latencies: tuple[float, ...]
    per_second: float

    def ms(self, percent: float) -> float:
        """A percentile of the latencies, in milliseconds."""
        return 1000 * Spread.of(self.latencies).percentile(percent)


def crowd(name: str, clients: Sequence[Ask], queries: Sequence[int]) -> Crowd:
    """Let each client ask its share of the queries, all at the same time."""

    def run(number: int) -> list[float]:
        latencies = []
        for query in queries[number :: len(clients)]:
            began = perf_counter()
            clients[number](query)
            latencies.append(perf_counter() - began)
        return latencies

    with ThreadPoolExecutor(len(clients)) as threads:
        started = perf_counter()
        found = [latency for part in threads.map(run, range(len(clients))) for latency in part]
        seconds = perf_counter() - started
    return Crowd(name, len(clients), tuple(found), len(found) / seconds)


def rest_clients(stack: ExitStack, port: int, count: int) -> list[Ask]:
    """Clients of the API on this machine, each with a connection of its own."""
    clients = [stack.enter_context(RestClient(HOST, port)) for _ in range(count)]
    return [rest_search(client) for client in clients]


def rest_search(client: RestClient) -> Ask:
    """Asks by a slice's number and answers with numbers."""
    return lambda query: [number_of(uid) for uid in client.similar(sop_instance_uid(query), K)]
