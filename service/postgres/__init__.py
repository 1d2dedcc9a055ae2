"""The embedded PostgreSQL: makes, starts, watches over and stops a server of our own.

`Cluster` is the one way in: it keeps one database cluster for one state folder and gives whoever
asks a connection string. The server runs as long as at least one process uses it; `Watch` starts
it again when it dies meanwhile.

The folder of a cluster, and who may read what (as root; in brackets the server's account):

    location         names the real folder where this one is out of the account's reach
    start.lock       held while the server is started or stopped             root only
    users.lock       held, shared, by every process that uses the server     root only
    password, port   how to connect                                          root only
    build            of which build the extensions in the databases are      root only
    postgresql.conf  derived at each start; a `local.conf` is included       [reads]
    pg_hba.conf      one role, from this machine, with a password            [reads]
    sockets/         where it listens beside its port on 127.0.0.1           [only]
    runtime/         a copy of the binaries where the account cannot reach   [reads]
    data/, log/      PGDATA and the rotated logs                             [only]

Nothing here knows the tables, imports SQLAlchemy or opens a database connection. No directory that
is not the cluster's own is ever given other permissions.
"""

from service.postgres.cluster import Cluster
from service.postgres.errors import PostgresError
from service.postgres.watch import Watch

__all__ = ["Cluster", "PostgresError", "Watch"]
