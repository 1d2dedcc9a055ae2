"""The server's configuration, derived from the machine at each start.

Durable (fsync, synchronous commit), reachable from this machine alone, and silent about values: a
statement, a parameter or the DETAIL of an error may quote what somebody typed, so none is logged.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.postgres.folder import ClusterFolder

ROLE = "precuneus"
DATABASE = "precuneus"
HOST = "127.0.0.1"

_MIB = 1 << 20
_SHM = Path("/dev/shm")  # noqa: S108 - looked at, never written to
_SMALL_SHM = 256 * _MIB
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

_FIXED: dict[str, str | int] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": 100,
    "password_encryption": "scram-sha-256",
    "cluster_name": "precuneus",
    # Durability: a commit is the moment at which a received object counts.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The same everywhere, whatever the machine's locale: messages are read by this program.
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "default_text_search_config": "pg_catalog.simple",
    # One file for each day of the week, overwritten a week later.
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_rotation_size": 0,
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %b ",
    "log_checkpoints": "off",
    # No values: no statements, no parameters, no DETAIL or CONTEXT.
    "log_statement": "none",
    "log_min_duration_statement": -1,
    "log_min_error_statement": "panic",
    "log_parameter_max_length": 0,
    "log_parameter_max_length_on_error": 0,
    "log_error_verbosity": "terse",
}

ROLE_SETTINGS = {"log_min_messages": "log"}
"""Set for the role by the superuser: the message of an SQL error (invalid input syntax: "...") may
quote a value too. The role's own errors go to the program that caused them, not into the log; those
of the server's own processes are logged."""


@dataclass(frozen=True)
class Machine:
    """What the configuration depends on, in bytes; None where there is no such folder."""

    memory: int
    shared_memory_folder: int | None


def this_machine() -> Machine:
    """The memory that is ours (a container's limit counts) and the size of /dev/shm."""
    limits = [psutil.virtual_memory().total]
    for path in _CGROUP_LIMITS:
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            limits.append(int(text))
    writable = _SHM.is_dir() and os.access(_SHM, os.W_OK)
    return Machine(min(limits), psutil.disk_usage(str(_SHM)).total if writable else None)


def configuration(folder: ClusterFolder, port: int, machine: Machine) -> str:
    """The text of postgresql.conf; an administrator's `local.conf` beside it has the last word."""
    share = machine.memory // 16
    shm = machine.shared_memory_folder
    derived: dict[str, str | int] = {
        "port": port,
        "hba_file": str(folder.access),
        "log_directory": str(folder.log),
        "shared_buffers": _megabytes(share, least=64, most=1024),
        "maintenance_work_mem": _megabytes(share, least=64, most=1024),
        "effective_cache_size": _megabytes(machine.memory // 2, least=256, most=1 << 20),
        "work_mem": "16MB",
        "dynamic_shared_memory_type": "posix" if shm is not None else "mmap",
    }
    if shm is None or shm < _SMALL_SHM:
        # Parallel workers share memory there; an index build would fail for want of room.
        derived["max_parallel_maintenance_workers"] = 0
        derived["max_parallel_workers_per_gather"] = 0
    lines = [f"{name} = {_quoted(value)}" for name, value in {**_FIXED, **derived}.items()]
    if folder.local_configuration.is_file():
        lines.append(f"include = {_quoted(folder.local_configuration.name)}")
    return "\n".join([*lines, ""])


def access_rules() -> str:
    """The text of pg_hba.conf; whatever is not named is refused, the superuser too."""
    return f"host all {ROLE} {HOST}/32 scram-sha-256\n"


def _megabytes(size: int, *, least: int, most: int) -> str:
    return f"{min(max(size // _MIB, least), most)}MB"


def _quoted(value: str | int) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
