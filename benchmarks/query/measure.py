"""Runs the query benchmark: every way of searching answers the same queries, in turns."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from benchmarks.children import HOST
from benchmarks.installation import Installation, installed
from benchmarks.plan import Plan
from benchmarks.query.brute import BruteForce, exported
from benchmarks.query.gallery import Gallery, fill, pgvector_version, register_encoder
from benchmarks.query.rest import RestClient
from benchmarks.query.slices import MadeUpSlices, make_up
from model.checkpoint import default_checkpoint, describe
from service.encoders import load_basis
from service.export import export_gallery
from service.search import Query, similar

SIZES = (3_000, 30_000)
K = 10
_QUICK_SIZES = (3_000,)
_QUERIES = 100  # a repetition
_WARM_UP = 20

Search = Callable[[str], list[str]]


@dataclass
class Searcher:
    """One way of searching, its latencies in seconds and its answers by query."""

    name: str
    search: Search
    latencies: list[float] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, sop_instance_uid: str) -> None:
        """Search, and keep how long it took and what it found."""
        started = perf_counter()
        answer = self.search(sop_instance_uid)
        self.latencies.append(perf_counter() - started)
        self.answers[sop_instance_uid] = answer


@dataclass(frozen=True)
class Searched:
    """All that was measured on a gallery of one size; `strangers` are other patients' UIDs only."""

    slices: int
    dimension: int
    load_s: float
    index_s: float
    searchers: tuple[Searcher, ...]
    approximate_answers: int
    own_patient_answers: int


@dataclass(frozen=True)
class Searching:
    """A whole run."""

    pgvector: str
    galleries: tuple[Searched, ...]
