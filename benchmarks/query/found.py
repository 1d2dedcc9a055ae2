"""What the query benchmark found; no opinion about it."""

from dataclasses import dataclass

from benchmarks.query.answers import Truth
from benchmarks.query.clients import Crowd
from benchmarks.query.gallery import Gallery
from benchmarks.query.rivals import Library
from benchmarks.query.searchers import Searcher

OTHERS, ALL = "the query's patient left out", "the query's patient included"


@dataclass(frozen=True)
class Case:
    """One kind of search: who searched so, what is right, and which share of slices may be found.

    `methods` counts how the service's default search answered.
    """

    name: str
    searchers: tuple[Searcher, ...]
    truth: Truth
    methods: dict[str, int]
    share: float = 1.0

    def of(self, name: str) -> Searcher | None:
        """The searcher whose name begins so."""
        return next((one for one in self.searchers if one.name.startswith(name)), None)


@dataclass(frozen=True)
class Searched:
    """What was measured on one gallery of `size` slices."""

    size: int
    gallery: Gallery
    cases: tuple[Case, ...]
    filtered: tuple[Case, ...]
    crowds: tuple[Crowd, ...]
    libraries: tuple[Library, ...]

    def case(self, name: str) -> Case:
        """The case of that name."""
        return next(case for case in self.cases if case.name == name)


@dataclass(frozen=True)
class Searching:
    """A whole run."""

    pgvector: str
    encoder: str
    galleries: tuple[Searched, ...]
