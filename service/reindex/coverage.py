"""Whether a filled partition holds what the active encoder's does, slice by slice."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder


@dataclass(frozen=True)
class Coverage:
    """Instances that the active encoder has embedded, and what the other has of them.

    `covered` have as many slices there; `failed` could not be embedded and have a reason; `waiting`
    arrived a moment ago and are still to be embedded; `missing` is what no one accounts for.
    """

    instances: int
    slices: int
    covered: int
    failed: int
    waiting: int
    missing: int
    reasons: dict[str, int]


def measure_coverage(
    connection: Connection, filled: ActiveEncoder, active: ActiveEncoder
) -> Coverage:
    """Count; reads the keys of both partitions."""
    counts = connection.execute(
        text(f"""
            WITH of_active AS (
                SELECT instance_id, count(*) AS slices FROM {active.partition} GROUP BY 1),
            of_filled AS (
                SELECT instance_id, count(*) AS slices FROM {filled.partition} GROUP BY 1),
            compared AS (
                SELECT a.instance_id, a.slices, coalesce(f.slices = a.slices, false) AS is_covered,
                    EXISTS (
                        SELECT FROM reindex_failure x
                        WHERE x.encoder_id = :encoder_id AND x.instance_id = a.instance_id
                    ) AS has_failed,
                    EXISTS (
                        SELECT FROM reindex_chunk c WHERE c.encoder_id = :encoder_id
                        AND a.instance_id BETWEEN c.first_instance_id AND c.last_instance_id
                    ) AS is_waiting
                FROM of_active a LEFT JOIN of_filled f USING (instance_id))
            SELECT count(*) AS instances, coalesce(sum(slices), 0) AS slices,
                count(*) FILTER (WHERE is_covered) AS covered,
                count(*) FILTER (WHERE has_failed AND NOT is_covered) AS failed,
                count(*) FILTER (WHERE is_waiting AND NOT is_covered AND NOT has_failed) AS waiting,
                count(*) FILTER (WHERE NOT (is_covered OR has_failed OR is_waiting)) AS missing
            FROM compared
        """),
        {"encoder_id": filled.encoder_id},
    ).one()
    numbers = {name: int(number) for name, number in counts._mapping.items()}
    return Coverage(**numbers, reasons=_reasons(connection, filled))


def _reasons(connection: Connection, filled: ActiveEncoder) -> dict[str, int]:
    rows = connection.execute(
        text(
            "SELECT reason, count(*) AS failed FROM reindex_failure WHERE encoder_id = :encoder_id"
            " GROUP BY reason ORDER BY count(*) DESC LIMIT 20"
        ),
        {"encoder_id": filled.encoder_id},
    )
    return {row.reason: int(row.failed) for row in rows}
