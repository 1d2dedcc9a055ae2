"""Keeps the service's processes and its embedded database running until it is told to stop.

It starts programs, restarts those that die and ends them in good order; it does no work of the
service itself and knows nothing of DICOM, tables or HTTP.
"""

import logging
import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from service.child import DRAIN_S, Child, ChildSpec, Ending
from service.postgres import Cluster, Watch

__all__ = ["Backoff", "ChildSpec", "ChildStatus", "Supervisor"]

_log = logging.getLogger("precuneus.supervisor")

_TICK_S = 0.1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_USAGE_ERROR = 2


@dataclass(frozen=True)
class Backoff:
    """How long to wait before another start: doubled each time, forgotten after good health."""

    first_s: float = 0.5
    limit_s: float = 30.0
    healthy_after_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """The pause after `failures` (1 or more) in a row."""
        return min(self.limit_s, self.first_s * 2.0 ** min(failures - 1, 30))


@dataclass(frozen=True)
class ChildStatus:
    """A child as it is now: `state` is running, waiting (for its restart) or stopped."""

    name: str
    state: str
    pid: int | None
    restarts: int


class _Post:
    """One child's place: its present run, or when the next is due."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.starts = 0
        self.failures = 0
        self.due = 0.0
        self.stopped = False

    def status(self) -> ChildStatus:
        state = "running" if self.child else "stopped" if self.stopped else "waiting"
        pid = self.child.pid if self.child else None
        return ChildStatus(self.spec.name, state, pid, max(0, self.starts - 1))


class Supervisor:
    """Runs the children until SIGTERM, SIGINT or SIGHUP; `run` is for the main thread, once."""

    def __init__(
        self,
        children: Sequence[ChildSpec],
        database: Cluster | None = None,
        *,
        backoff: Backoff | None = None,
        drain_s: float = DRAIN_S,
        on_change: Callable[[ChildStatus], None] | None = None,
    ) -> None:
        """Take note of what to run; `on_change` is told, in the main thread, of each new state.

        The database is watched and restarted, but neither started first nor stopped at the end:
        that is its user's part.
        """
        self._posts = [_Post(spec) for spec in children]
        self._watch = Watch(database) if database is not None else None
        self._backoff = backoff or Backoff()
        self._drain_s = drain_s
        self._on_change = on_change
        # A queue, not an event: its `put` may interrupt its `get`, as signal handlers do.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        """All children as they are now, in the order given."""
        return tuple(post.status() for post in self._posts)

    def run(self) -> int:
        """Start the children and keep them running; return when all have ended.

        Returns:
            0 after a signal, 1 if a child had to be killed after it, and 2 if a child ended its
            very first run with 2: a wrong argument or setting, which no restart heals. Later on,
            when its settings are known to be good, 2 is a failure like any other.
        """
        with self._signals_caught():
            if self._watch is not None:
                self._watch.start()
            try:
                code = self._supervise()
            finally:
                deadline = time.monotonic() + self._drain_s
                all_drained = self._end_children(deadline)
                if self._watch is not None:
                    self._watch.stop(max(1.0, deadline - time.monotonic()))
        _log.info("service stopped", extra={"action": "stopped", "drained": all_drained})
        return code or (0 if all_drained else 1)

    def _supervise(self) -> int:
        """Look after the children until a signal arrives (0) or one refuses its settings (2)."""
        while True:
            for post in self._posts:
                if not self._look_after(post):
                    return _USAGE_ERROR
            number = self._next_signal(_TICK_S)
            if number is not None:
                name = signal.Signals(number).name
                _log.info("service stops", extra={"action": "stopping", "signal": name})
                return 0

    def _look_after(self, post: _Post) -> bool:
        """Start a child that is due, note the end of one that ended; False: give up the service."""
        if post.child is None:
            return time.monotonic() < post.due or self._start(post)
        ending = post.child.ending()
        if ending is None:
            return True
        post.child = None
        healthy = ending.lived_s >= self._backoff.healthy_after_s
        if post.starts == 1 and ending.returncode == _USAGE_ERROR and not healthy:
            self._give_up(post, "it ended with 2: an argument or a setting is wrong, see above")
            return False
        self._put_off(post, healthy, ending)
        return True

    def _start(self, post: _Post) -> bool:
        post.starts += 1
        extra: dict[str, object] = {"action": "child_started", "child": post.spec.name}
        try:
            post.child = Child(post.spec)
        except OSError as error:
            if post.starts == 1:
                self._give_up(post, f"{post.spec.argv[0]} cannot be run: {error.strerror}")
                return False
            self._put_off(post, healthy=False, ending=Ending(error.errno or 1, 0.0))
            return True
        _log.info("%s started", post.spec.name, extra={**extra, "pid": post.child.pid})
        self._tell(post)
        return True

    def _put_off(self, post: _Post, healthy: bool, ending: Ending) -> None:
        post.failures = 1 if healthy else post.failures + 1
        delay_s = self._backoff.delay_s(post.failures)
        post.due = time.monotonic() + delay_s
        _log.warning(
            "%s ended and is restarted in %.1f s",
            post.spec.name,
            delay_s,
            extra={
                "action": "child_ended",
                "child": post.spec.name,
                "returncode": ending.returncode,
                "lived_s": round(ending.lived_s, 1),
                "retry_s": delay_s,
            },
        )
        self._tell(post)

    def _give_up(self, post: _Post, why: str) -> None:
        _log.error(
            "%s cannot start, so the service stops: %s",
            post.spec.name,
            why,
            extra={"action": "child_unusable", "child": post.spec.name},
        )

    def _end_children(self, deadline: float) -> bool:
        """SIGTERM to all; whoever is left at the deadline, or at another SIGINT, is killed."""
        alive = [post for post in self._posts if post.child is not None]
        for post in alive:
            if post.child is not None:
                post.child.terminate()
        hastened = False
        while alive and time.monotonic() < deadline and not hastened:
            hastened = self._next_signal(_TICK_S) == signal.SIGINT
            alive = [post for post in alive if post.child and post.child.ending() is None]
        for post in alive:
            _log.warning(
                "%s did not end in time and was killed",
                post.spec.name,
                extra={"action": "child_killed", "child": post.spec.name},
            )
            if post.child is not None:
                post.child.kill()
        for post in self._posts:
            post.child, post.stopped = None, True
            self._tell(post)
        return not alive

    def _tell(self, post: _Post) -> None:
        if self._on_change is not None:
            self._on_change(post.status())

    def _next_signal(self, timeout_s: float) -> int | None:
        try:
            return self._signals.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            # Started by nohup, to outlive the terminal.
            del before[signal.SIGHUP]
        for number in before:
            signal.signal(number, lambda caught, _frame: self._signals.put(caught))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
