"""The server's configuration, derived from the machine at each start.

Durable (fsync, synchronous commit), reachable from this machine alone, and silent about values: a
statement, a parameter or the DETAIL of an error may quote what somebody typed, so none is logged.
"""

from service.postgres.folder import ClusterFolder
from service.tuning.machine import Machine
from service.tuning.server import server_settings

ROLE = "precuneus"
DATABASE = "precuneus"
HOST = "127.0.0.1"

_FIXED: dict[str, str | int] = {
    "listen_addresses": HOST,
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


def configuration(folder: ClusterFolder, port: int, machine: Machine) -> str:
    """The text of postgresql.conf; an administrator's `local.conf` beside it has the last word."""
    derived: dict[str, str | int] = {
        "port": port,
        "unix_socket_directories": str(folder.sockets or ""),
        "hba_file": str(folder.access),
        "log_directory": str(folder.log),
        **{setting.name: setting.value for setting in server_settings(machine)},
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in {**_FIXED, **derived}.items()]
    if folder.local_configuration.is_file():
        lines.append(f"include = {_quoted(folder.local_configuration.name)}")
    return "\n".join([*lines, ""])


def access_rules() -> str:
    """The text of pg_hba.conf; whatever is not named is refused, the superuser too."""
    ways = (f"local all {ROLE}", f"host all {ROLE} {HOST}/32")
    return "".join(f"{way} scram-sha-256\n" for way in ways)


def _quoted(value: str | int) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
