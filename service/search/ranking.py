"""Cuts what the database found to the rows asked for, as far as their order is certain."""

from collections.abc import Sequence
from typing import Any

from service.errors import InstanceUnknown
from service.search.question import Question


def deleted_meanwhile() -> InstanceUnknown:
    """What is said where the slice asked about went while it was searched near."""
    return InstanceUnknown("The slice asked about was deleted a moment ago.")


def ranked(rows: Sequence[Any], question: Question, *, is_all: bool) -> Sequence[Any]:
    """At most k rows of `rows`, which come in order; fewer where the rest is not certain.

    Unless `rows` is all there is, other rows may be as far away as the last of them, and the order
    of equal distances is not known before all of these are.

    Raises:
        InstanceUnknown: nothing has a distance, since the slice asked about was just deleted.
    """
    if rows and rows[0].distance is None:
        raise deleted_meanwhile()
    certain = rows if is_all else [row for row in rows if row.distance < rows[-1].distance]
    if question.page.position is not None:
        key = question.page.position.key
        certain = [row for row in certain if (row.distance, row.sop_instance_uid, row.frame) > key]
    return certain[question.page.offset : question.page.wanted]
