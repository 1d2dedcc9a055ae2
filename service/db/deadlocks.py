"""Transactions that may lock the same rows as others in another order: tried again a few times.

PostgreSQL ends one of those who wait for each other, which has then changed nothing.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

DEADLOCK_DETECTED = "40P01"
_TRIES = 3
_Done = TypeVar("_Done")


def despite_deadlocks(transact: Callable[[], _Done]) -> _Done:
    """What `transact` returns, a transaction of its own, at the third try at last.

    Raises:
        OperationalError: the third ended in a deadlock, too, or any failed otherwise.
    """
    for _ in range(_TRIES - 1):
        try:
            return transact()
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != DEADLOCK_DETECTED:
                raise
    return transact()
