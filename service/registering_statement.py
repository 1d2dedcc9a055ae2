"""The one statement that writes the rows of objects that are new in a known series.

What it demands of its one parameter, a JSON array, is `service.registering`'s to give.
"""

# Objects whose series has no row, whose UID is known, or who were deleted before, come back from it
# without a row. What is known is looked for first, so that a duplicate uses up no instance_id; by
# subqueries and not by joins, since a join over some hundred rows would be planned as a scan of the
# whole gallery. In the order of their UIDs, so that two processes do not wait for each other in a
# circle.
_TEMPLATE = """
WITH arrived AS (
    INSERT INTO instance (
        series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid, patient_key,
        patient_sex, patient_age_years, image_type, instance_number, rows, columns, frames,
        flags, file_name, file_size, sha256, source, state, reason, settled_at)
    SELECT series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid, patient_key,
        patient_sex, patient_age_years, image_type, instance_number, rows, columns, frames,
        flags, file_name, file_size, decode(sha256, 'hex'), source,
        CASE WHEN reason IS NULL THEN 'pending' ELSE 'unsupported' END,
        reason, CASE WHEN reason IS NOT NULL THEN now() END
    FROM (
        SELECT r.*,
            (SELECT s.series_id FROM series s JOIN study USING (study_id)
             WHERE study_instance_uid = r.study_instance_uid
                 AND series_instance_uid = r.series_instance_uid) AS series_id,
            (SELECT i.instance_id FROM instance i
             WHERE i.sop_instance_uid = r.sop_instance_uid) AS known_id,
            (SELECT t.tombstone_id FROM tombstone t
             WHERE t.sop_instance_uid = r.sop_instance_uid LIMIT 1) AS tombstone_id
        FROM jsonb_to_recordset({objects}) AS r(
            study_instance_uid text, series_instance_uid text, sop_instance_uid text,
            sop_class_uid text, transfer_syntax_uid text, patient_key uuid, patient_sex text,
            patient_age_years smallint, image_type text[], instance_number integer,
            rows integer, columns integer, frames integer, flags text[], file_name text,
            file_size bigint, sha256 text, source text, reason text, despite_tombstone boolean)
        OFFSET 0
    ) AS arriving
    WHERE series_id IS NOT NULL AND known_id IS NULL
        AND (tombstone_id IS NULL OR despite_tombstone)
    ORDER BY sop_instance_uid
    ON CONFLICT (sop_instance_uid) DO NOTHING
    RETURNING instance_id, sop_instance_uid, file_name, state
), queued AS (
    INSERT INTO embedding_job (instance_id)
    SELECT instance_id FROM arrived WHERE state = 'pending'
)
SELECT file_name, (SELECT d.sop_instance_uid FROM dropped_object d
                   WHERE d.sop_instance_uid = a.sop_instance_uid) AS dropped_before
FROM arrived a
"""
INSERT = _TEMPLATE.format(objects="CAST(%(objects)s AS jsonb)")
# The same, planned once for a connection that is kept: planning takes longer than inserting.
PREPARE = "PREPARE precuneus_register (jsonb) AS" + _TEMPLATE.format(objects="$1")
EXECUTE = "EXECUTE precuneus_register (%(objects)s)"
