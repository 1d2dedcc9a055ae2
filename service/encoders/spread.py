"""Slices of an encoder spread evenly over its keys, as SQL; found without reading all."""

# Of an instance of many frames not always the first, which is the end of a head.
_FRAMES = 50


def evenly_spread(partition: str, encoder_id: int, count: int, columns: str) -> str:
    """A query for `columns` of about `count` rows `r`; of fewer rows some come several times.

    A series has its keys together, so the rows come from as many series as can be.
    """
    return f"""
        SELECT m.*
        FROM (SELECT min(instance_id) AS low, max(instance_id) AS high
              FROM {partition} WHERE encoder_id = {int(encoder_id)}) ends
             CROSS JOIN generate_series(0, {int(count)}) AS n
             CROSS JOIN LATERAL (
                 SELECT {columns} FROM {partition} r
                 WHERE r.encoder_id = {int(encoder_id)}
                       AND (r.instance_id, r.frame)
                           >= (low + (high - low) * n / {int(count)}, 1 + mod(n, {_FRAMES}))
                 ORDER BY r.instance_id, r.frame LIMIT 1) m
    """
