import json
import logging
import subprocess
import sys
from typing import Any

from service.logs import JsonFormatter

NAME = "Winterbottom^Zoe"


def logged(level: int, message: str, *values: object, **options: Any) -> dict[str, Any]:
    """A record as the handler writes it."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    logger = logging.Logger("precuneus.test")
    handler = Collector()
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.log(level, message, *values, **options)
    (line,) = lines
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_is_json_with_its_fields() -> None:
    line = logged(logging.WARNING, "took %d", 3, extra={"action": "stored", "rows": [1, 2]})
    assert line["message"] == "took 3"
    assert (line["level"], line["logger"], line["action"]) == (
        "warning",
        "precuneus.test",
        "stored",
    )
    assert line["rows"] == [1, 2]
    assert line["time"].endswith("+00:00")
    assert set(line) == {"time", "level", "logger", "message", "action", "rows"}


def test_a_message_of_several_lines_stays_one_line() -> None:
    assert logged(logging.INFO, "one\ntwo")["message"] == "one\ntwo"


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert logged(logging.INFO, "x", extra={"path": ValueError})["path"] == str(ValueError)


def test_an_exception_appears_without_its_text() -> None:
    try:
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ValueError(f"cannot convert {NAME}") from error
    except ValueError:
        line = logged(logging.ERROR, "failed", exc_info=True, stack_info=True)
    assert line["exception"] == "ValueError"
    assert "test_logs.py" in line["at"][-1]
    assert "Winterbottom" not in json.dumps(line)


_PROGRAM = f"""
import logging, warnings
from service.logs import configure_logs
configure_logs()
for name in ("pydicom", "pydicom.config", "pynetdicom", "pynetdicom.assoc", "PIL"):
    logging.getLogger(name).log(20 if name == "PIL" else 40, "{NAME}")
try:
    raise RuntimeError("{NAME}")
except RuntimeError:
    logging.getLogger("precuneus").exception("went wrong", extra={{"action": "test"}})
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
"""


def test_libraries_that_quote_datasets_are_silent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["went wrong", "Exception in ASGI application"]
    assert "Winterbottom" not in done.stderr
