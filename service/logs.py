"""Logs as one JSON object a line on standard error: UIDs, never a patient's name or id.

Libraries that quote dataset values in their messages (pydicom, pynetdicom) are silenced here.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_ENCODER = json.JSONEncoder(default=str, ensure_ascii=False)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A log record with its `extra` fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; an exception appears as its type and the place it came from."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = record.exc_info[0].__qualname__
            fields["at"] = _places(record.exc_info[2])
        return _ENCODER.encode(fields)


def _places(traceback: object) -> list[str]:
    """Where an exception passed, innermost last; without its text, which may quote a dataset."""
    places: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code  # type: ignore[attr-defined]
        places.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_qualname}")  # type: ignore[attr-defined]
        traceback = traceback.tb_next  # type: ignore[attr-defined]
    return places[-8:]


def configure_logs(level: str = "INFO") -> None:
    """Send this process's logs to standard error as JSON; call once, at start-up."""
    # What no line shows is not asked for (Python's logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("pydicom", "pynetdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("uvicorn.access", "alembic", "PIL", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.WARNING)
