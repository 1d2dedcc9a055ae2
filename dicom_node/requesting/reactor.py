"""Parks pynetdicom's own thread while we wait for an answer; the one place for its private names.

An association's thread and `send_c_…` read from one queue. The library means to pause the thread,
but looks at a flag that the thread may be about to take back (pynetdicom 3.0.4,
`Association._run_reactor`). On a busy machine it then takes a response for an unexpected request,
and drops it in silence: an answer, and the instance in it, is lost.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from pynetdicom.association import Association

from dicom_node.errors import AssociationFailed

_PAUSE_S = 0.0005
_Answer = TypeVar("_Answer")


def park(association: Association) -> None:
    """Return once the association's thread really waits; to be called before each request.

    The library lets the thread go on when the request is answered. Of an association that has
    ended, nothing needs to be parked.
    """
    checkpoint: Any = association._reactor_checkpoint
    checkpoint.clear()
    while association.is_alive() and association.is_established:
        if checkpoint._cond._waiters:
            return
        time.sleep(_PAUSE_S)


def ask(association: Association, send: Callable[..., _Answer], *arguments: object) -> _Answer:
    """What `association`'s method `send` returns, called with the association's thread parked.

    Raises:
        AssociationFailed: the association has ended, be it a moment ago.
    """
    park(association)
    try:
        return send(*arguments)
    except RuntimeError:
        if association.is_established:
            raise
        raise AssociationFailed("the association ended before the request was sent") from None
