"""Parks pynetdicom's own thread while we wait for an answer; the one place for its private names.

An association's thread and `send_c_…` read from one queue. The library means to pause the thread,
but looks at a flag that the thread may be about to take back (pynetdicom 3.0.4,
`Association._run_reactor`). On a busy machine it then takes a response for an unexpected request,
and drops it in silence: an answer, and the instance in it, is lost.
"""

import time
from typing import Any

from pynetdicom.association import Association

_PAUSE_S = 0.0005


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
