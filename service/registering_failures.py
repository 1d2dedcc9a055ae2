"""What a database error means for the objects that were to be registered.

Tells what is about an object from what is about the database: only the former is worth trying again
object by object, since each try at a locked or slow database waits as long as the first.
"""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from dicom_node.errors import OutOfResources

# Of the SQLSTATE: data exceptions, violated constraints.
_ABOUT_AN_OBJECT = frozenset({"22", "23"})
# The transaction lost against another one (deadlock, serialization), and may win the next time.
_LOST = "40"
_LOCK_TIMEOUT, _CANCELLED = "55P03", "57014"


class DatabaseAway(OutOfResources):
    """The database does not answer, or cannot work; no object is at fault."""


class TryAgain(DatabaseAway):
    """The transaction broke before its commit; another one, on a new connection, may go well."""


def has_waited(pgcode: str | None) -> bool:
    """Whether a statement ended only after its time-out, so that the next would wait as long."""
    return pgcode in (_LOCK_TIMEOUT, _CANCELLED)


def unavailable(error: SQLAlchemyError, *, outcome_unknown: bool = False) -> OutOfResources:
    """The DIMSE failure for a database error; its text is ours, since theirs may quote values.

    A `DatabaseAway` or `TryAgain`, unless the error is about an object or came from the commit
    (`outcome_unknown`).
    """
    found = getattr(getattr(error, "orig", None), "pgcode", None)
    code = found if isinstance(found, str) else "no answer"
    reason = f"the gallery's database did not take the object ({type(error).__name__}, {code})"
    if outcome_unknown or not isinstance(error, DBAPIError) or code[:2] in _ABOUT_AN_OBJECT:
        return OutOfResources(reason, outcome_unknown=outcome_unknown)
    if error.connection_invalidated or code[:2] == _LOST:
        return TryAgain(reason)
    return DatabaseAway(reason)
