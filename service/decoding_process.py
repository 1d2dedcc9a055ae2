"""What a decoding process is before it decodes: bounded, silent, and gone with its parent.

It holds no database and no weights, and knows nothing of what it will be asked to decode.
"""

import fcntl
import logging
import multiprocessing
import multiprocessing.connection
import os
import resource
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress

from dicom_node.configure import configure_pydicom

_PIPE_BYTES = 1 << 20  # the most an ordinary user may ask for


def decoding_processes(count: int, memory_mb: int) -> ProcessPoolExecutor:
    """A pool of `count` processes, each with so much address space; they start when needed."""
    executor = ProcessPoolExecutor(
        count,
        # fork would copy the threads' locks and the database's sockets.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_process,
        initargs=(memory_mb,),
        max_tasks_per_child=None,
    )
    _widen(executor)
    return executor


def _start_process(memory_mb: int) -> None:
    """Bound a decoding process; its library messages may quote datasets and stay silent."""
    limit = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    # Codecs in C write to standard error by themselves; the log is JSON lines.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)
    configure_pydicom()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process waits for work for ever, even when a killed parent can send none."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _widen(executor: ProcessPoolExecutor) -> None:
    """Let answers pass in one go where the system allows it: a picture fills a usual pipe twice."""
    if sys.platform == "linux":
        answers = executor._result_queue._reader.fileno()  # type: ignore[attr-defined]
        with suppress(OSError):  # a user may only hold so much, and it works without
            fcntl.fcntl(answers, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
