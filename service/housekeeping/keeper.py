"""The thread that does all duties of housekeeping, round after round, whatever becomes of one."""

import logging
from threading import Event, Thread
from time import time

from sqlalchemy import Engine

from service.housekeeping.duties import EXPECTED, Duty, duties
from service.housekeeping.rounds import Failure, Round, write_round
from service.settings import Settings

_PAUSE_S = 60.0
_LOG = logging.getLogger("precuneus.node")


class Housekeeping:
    """Works at start, and then every minute; what fails is logged, noted, and tried again."""

    def __init__(self, settings: Settings, engine: Engine, pause_s: float = _PAUSE_S) -> None:
        self._engine, self._pause_s = engine, pause_s
        self._stopped = Event()
        self._duties = duties(engine, settings, self._stopped.is_set)
        self._failing: dict[str, Failure] = {}
        self._thread = Thread(target=self._run, name="housekeeping")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        note = Duty("note", "how the round went is noted later", self._note)
        while not self._stopped.is_set():
            for duty in self._duties:
                self._try(duty)
            self._try(note)
            self._stopped.wait(self._pause_s)

    def _try(self, duty: Duty) -> None:
        try:
            duty.do()
        except Exception as error:  # whatever it is, the other duties must be done
            kind = type(error).__name__
            before = self._failing.get(duty.name)
            since, times = (before.since, before.times) if before else (time(), 0)
            self._failing[duty.name] = Failure(kind, since, times + 1)
            fields = {"action": f"{duty.name}.failed", "error": kind, "times": times + 1}
            # A mistake of ours is found by its place; its text might quote anything.
            place = None if isinstance(error, EXPECTED) else error
            level = logging.WARNING if place is None else logging.ERROR
            _LOG.log(level, duty.later, extra=fields, exc_info=place)
        else:
            self._failing.pop(duty.name, None)

    def _note(self) -> None:
        with self._engine.begin() as connection:
            write_round(connection, Round(time(), self._failing))
