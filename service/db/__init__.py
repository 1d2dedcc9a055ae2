"""PostgreSQL: connections, tables, migrations and the binary format of vectors."""
