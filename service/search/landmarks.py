"""Landmarks: rows that tell whether a walk from coordinates came down where they lie, as SQL.

A walk from a slice must come upon that slice. Coordinates from elsewhere have no row of their own,
and a graph has few links from one disease to another far away, so that a walk may end among the
nearest rows of a wrong one. Rows spread evenly over the gallery are compared besides; nothing here
says how the search goes on.
"""

from service.encoders.spread import evenly_spread
from service.search.question import Question

# Spread over the table, so that they come from as many series. A group of three times as many
# slices as lie between two of them has one nineteen times in twenty, by chance alone.
LANDMARKS = 1000
# Where more than three quarters were deleted there are fewer, closer together than before.
_TRIES = 4
# Where what is found is no nearer than this part of the way to any slice, it may be the wrong place
# in which no landmark happens to be. Between two diseases it always is: a walk finds one of them,
# and examples of the other lie behind the nearest slices of both, and so tell nothing.
FAR = 0.5


def landmarks_sql(question: Question) -> str:
    """The landmarks by instance_id and frame, with their `distance` from what was `asked`.

    To those spread evenly come the slices that the search leaves out by name: its examples, or the
    slice of a region, are likely to lie where it should come down.
    """
    partition, encoder = question.encoder.partition, question.encoder.encoder_id
    columns = "r.instance_id, r.frame, r.coordinates"
    spread = evenly_spread(question.encoder, LANDMARKS, columns, tries=_TRIES)
    named = [
        f" UNION ALL SELECT {columns} FROM {partition} r"
        f" WHERE r.encoder_id = {encoder} AND r.instance_id = :without_{number}"
        f" AND r.frame = :frame_{number}"
        for number in range(len(question.target.without))
    ]
    return f"""
        SELECT l.instance_id, l.frame,
               l.coordinates <-> (SELECT coordinates FROM asked) AS distance
        FROM (({spread}){"".join(named)}) l
    """


def astray_sql(last: str) -> str:
    """Whether the `walked` rows are those of a wrong place, or may be.

    `last` selects the distance of the last neighbour wanted. A landmark that lies nearer must have
    been walked upon; and something must have been that is near, as the landmarks' distances go.
    """
    return f"""(
        EXISTS (SELECT FROM landmarks l WHERE l.distance < ({last})
                AND (l.instance_id, l.frame) NOT IN (SELECT instance_id, frame FROM walked))
        OR coalesce((SELECT min(distance) FROM walked)
                    > {FAR} * (SELECT avg(distance) FROM landmarks), false))
    """
