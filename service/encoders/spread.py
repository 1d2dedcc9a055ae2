"""Slices of an encoder spread evenly over its table, as SQL; found without reading all.

Keys would not do: instances have one frame or hundreds, and gaps where others were deleted.
"""

from service.encoders.partitions import MAXIMUM_DIMENSION
from service.encoders.registry import ActiveEncoder

# Bytes of a page that hold no rows, and those that a row takes at least, with its line pointer:
# as many as there are of empty texts and labels, and of its coordinates or the pointer to them.
_PAGE_HEADER, _ROW, _VECTOR_HEADER, _POINTER = 24, 94, 8, 18
# (sqrt(13) - 3) / 2, far from all simple fractions. The golden section is farther, but there are
# often about as many pages as one of its denominators, and then the gaps in them add up.
_STEP = 0.3027756


def evenly_spread(
    encoder: ActiveEncoder, count: int, columns: str, *, tries: int, start: str = "0"
) -> str:
    """A query for `columns` of `count` rows `r`, each at most once; of all if there are no more.

    A place is a page and the number of a row in it. Steps of one width lead through all, from
    `start` (SQL; 0 to 1) on, and have been everywhere alike whenever enough rows are found.
    Places without a row are passed over, so that no row stands for those deleted beside it. At most
    `tries` places are looked at for each row wanted: where most was deleted there are fewer rows. A
    series has its rows together, so they come from as many series as can be.
    """
    # A page is found by its number (TID range scan); within it rows are few, and simply counted.
    # Steps that share no divisor with the places come to each of them once.
    return f"""
        WITH pages AS MATERIALIZED (
            SELECT pg_relation_size('{encoder.partition}') / size AS pages,
                   (size - {_PAGE_HEADER}) / {_least_bytes(encoder)} AS each
            FROM (SELECT current_setting('block_size')::bigint AS size) s),
        places AS MATERIALIZED (
            SELECT each, pages * each AS places, ({start}) * pages * each AS start,
                   (SELECT width + more
                    FROM (SELECT ({_STEP} * pages * each)::bigint AS width) w
                         CROSS JOIN generate_series(0, 200) AS more
                    WHERE gcd(width + more, pages * each) = 1 LIMIT 1) AS step
            FROM pages),
        visited AS (
            SELECT each, mod(start::bigint + number * step, places) AS place
            FROM (SELECT p.*, generate_series(0, least(places, {int(tries * count)}) - 1) AS number
                  FROM places p) n)
        SELECT m.* FROM visited CROSS JOIN LATERAL (
            SELECT {columns} FROM {encoder.partition} r
            WHERE r.ctid >= ('(' || place / each || ',0)')::tid
                  AND r.ctid < ('(' || place / each + 1 || ',0)')::tid
            OFFSET mod(place, each) LIMIT 1) m
        LIMIT {int(count)}
    """


def _least_bytes(encoder: ActiveEncoder) -> int:
    is_inline = encoder.dimension <= MAXIMUM_DIMENSION
    return _ROW + (_VECTOR_HEADER + 4 * encoder.dimension if is_inline else _POINTER)
