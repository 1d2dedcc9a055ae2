"""A worker's hold on one batch of jobs: claimed together, renewed by a thread, let go at the end.

Each batch has an owner of its own, so that nothing a worker has given up on is renewed by mistake.
"""

import logging
import threading
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from service.errors import EncoderChanged
from service.queue import Job

_LOG = logging.getLogger("precuneus.worker")


class Jobs(Protocol):
    """A queue of jobs: the live one (`service.queue`), or a reindex's (`service.reindex.jobs`)."""

    def claim(
        self,
        connection: Connection,
        owner: UUID,
        count: int,
        lease_s: float,
        *,
        suspects_first: bool = False,
    ) -> list[Job]:
        """Take about `count` free jobs for `owner`; a suspect job is taken alone."""

    def renew(self, connection: Connection, owner: UUID, lease_s: float) -> None:
        """Extend what `owner` still holds."""

    def release(self, connection: Connection, owner: UUID) -> None:
        """Give back what `owner` holds, as if it had not been tried."""


class BatchLease:
    """Use as a context manager around a batch.

    When the database fails, or another encoder has been activated, the jobs are given back as if
    untried: the batch was not at fault. When anything else ends the batch, the lease runs out and
    the attempt counts against its jobs.
    """

    def __init__(self, engine: Engine, jobs: Jobs, lease_s: float) -> None:
        self.owner = uuid4()
        self._engine = engine
        self._jobs = jobs
        self._lease_s = lease_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def claim(self, count: int, *, suspects_first: bool = False) -> list[Job]:
        """Take up to `count` jobs and begin to renew their lease."""
        with self._engine.begin() as connection:
            jobs = self._jobs.claim(
                connection, self.owner, count, self._lease_s, suspects_first=suspects_first
            )
        if jobs:
            self._thread.start()
        return jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        if isinstance(error, SQLAlchemyError | EncoderChanged):
            self._release()

    def give_back(self) -> None:
        """Let the jobs go as if untried: nobody began with them."""
        self._end()
        self._release()

    def _end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._lease_s / 3):
            try:
                with self._engine.begin() as connection:
                    self._jobs.renew(connection, self.owner, self._lease_s)
            except SQLAlchemyError as error:
                fields = {"action": "renew", "error": type(error).__name__}
                _LOG.warning("lease not renewed", extra=fields)

    def _release(self) -> None:
        try:
            with self._engine.begin() as connection:
                self._jobs.release(connection, self.owner)
        except SQLAlchemyError as error:
            fields = {"action": "release", "error": type(error).__name__}
            _LOG.warning("lease left to run out", extra=fields)
