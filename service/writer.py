"""Ends the work on one batch, its writing above all, while the next is being embedded.

One thread, and never more than one batch behind. A failure comes up with the batch after it.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from service.errors import EncoderChanged

_LOG = logging.getLogger("precuneus.worker")


class Writer:
    """Use as a context manager, so that nothing is left unwritten."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._under_way: Future[int] | None = None

    def begin(self, write: Callable[[], int], held: ExitStack) -> None:
        """Have a batch written and then let go of what is `held`; wait for the one before.

        Raises what writing the one before raised; this one is written all the same.
        """
        before = self._under_way
        # First of all, so that no failure of another batch costs this one its coordinates.
        self._under_way = self._executor.submit(_write_held, write, held.pop_all())
        if before is not None:
            before.result()

    def finish(self) -> int:
        """Wait for the batch under way; what writing it gave, 0 where there is none.

        Raises what writing it raised: SQLAlchemyError if the database failed.
        """
        under_way, self._under_way = self._under_way, None
        return 0 if under_way is None else under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.finish()
        except (SQLAlchemyError, EncoderChanged) as lost:
            fields = {"action": "not_written", "error": type(lost).__name__}
            _LOG.warning("the last batch was not written and is left to others", extra=fields)
        finally:
            self._executor.shutdown()


def _write_held(write: Callable[[], int], held: ExitStack) -> int:
    with held:
        return write()
