"""Statements that are planned once for each pooled connection, since planning takes long.

For statements that differ little in kind: a connection keeps a bounded number of plans, and what
comes beyond is planned each time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, text

_NAME = re.compile(r"(?<![:\w]):([a-z]\w*)")
_MOST = 32
_KEY = "precuneus prepared"


@dataclass(frozen=True)
class _Statement:
    name: str
    prepare: str
    execute: str
    parameters: tuple[str, ...]


def run_prepared(
    connection: Connection, statement: str, values: Mapping[str, Any], settings: str = ""
) -> CursorResult[Any]:
    """Run a statement with its `:names` bound; `settings` are statements that come just before it.

    They are set whenever it is planned, too. Types of parameters must follow from where they stand.
    """
    known = connection.info.setdefault(_KEY, set())
    parts = _parts(statement)
    if parts.name not in known:
        if len(known) >= _MOST:
            return connection.execute(text(settings + statement), dict(values))
        connection.exec_driver_sql(parts.prepare)
        known.add(parts.name)
    bound = {name: _plain(values[name]) for name in parts.parameters}
    always = "SET LOCAL plan_cache_mode = force_generic_plan;"
    return connection.exec_driver_sql(always + settings + parts.execute, bound)


@lru_cache(maxsize=256)
def _parts(statement: str) -> _Statement:
    names = tuple(dict.fromkeys(_NAME.findall(statement)))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    name = f"precuneus_{sha256(statement.encode()).hexdigest()[:16]}"
    numbered = _NAME.sub(lambda found: numbers[found[1]], statement)
    arguments = ", ".join(f"%({name})s" for name in names)
    execute = f"EXECUTE {name}" + (f" ({arguments})" if names else "")
    return _Statement(name, f"PREPARE {name} AS {numbered}", execute, names)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
