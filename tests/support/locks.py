"""Who waits for whom in the database, and how a test has two of them meet."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, ExceptionContext, event, text

_WAITING = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'""")


def is_anybody_waiting(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(_WAITING))


@contextmanager
def before(engine: Engine, begins: str, act: Callable[[], None]) -> Iterator[None]:
    """This thread runs `act` before its first statement that begins so."""
    thread, acted = threading.get_ident(), threading.Event()

    def look(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        is_it = threading.get_ident() == thread and statement.strip().startswith(begins)
        if is_it and not acted.is_set():
            acted.set()
            act()

    event.listen(engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", look)
    assert acted.is_set()


@contextmanager
def deadlocks(engine: Engine) -> Iterator[list[str]]:
    """The deadlocks that PostgreSQL finds meanwhile."""
    found: list[str] = []

    def note(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "pgcode", None) == "40P01":
            found.append(str(context.statement))

    event.listen(engine, "handle_error", note)
    try:
        yield found
    finally:
        event.remove(engine, "handle_error", note)
