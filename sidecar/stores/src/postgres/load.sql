-- What a batch of commands is judged on, in one snapshot: one row for each that was asked with the command's first result or the snapshot and the
-- length of the stream (without more, where it is not the expected one), and one row for each append of its history.
WITH asked AS MATERIALIZED (
    SELECT q.*, k.outcome, k.append_id, k.first_sequence, k.last_position, k.correlation_id, k.trace_parent, k.events,
        s.sequence, s.seconds, s.nanos, s.type_url, s.state, h.next_sequence, h.is_expected
    FROM unnest($1::integer[], $2::text[], $3::uuid[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
        WITH ORDINALITY q(partition_id, edition, root, command_id, hash, version, through, size_limit, expected, ordinal)
    CROSS JOIN LATERAL (
        SELECT n.next_sequence, coalesce(q.expected, n.next_sequence) = n.next_sequence AS is_expected
        FROM (SELECT coalesce((
            SELECT a.first_sequence + a.event_count FROM appends a
            WHERE a.partition_id = q.partition_id AND a.edition = q.edition AND a.root = q.root
            ORDER BY a.first_sequence DESC LIMIT 1
        ), 0) AS next_sequence) n
    ) h
    LEFT JOIN LATERAL known_command_v1(q.partition_id, q.edition, q.root, q.command_id, q.hash) k ON true
    LEFT JOIN snapshots s ON s.partition_id = q.partition_id AND s.edition = q.edition AND s.root = q.root AND s.version = q.version
        AND s.sequence <= coalesce(q.through, s.sequence) AND h.is_expected
)
SELECT ordinal, outcome, next_sequence, sequence, version, seconds, nanos, type_url, state,
    first_sequence, last_position, append_id, correlation_id, command_id, trace_parent, events
FROM asked
UNION ALL
SELECT asked.ordinal, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    a.first_sequence, a.last_position, a.append_id, a.correlation_id, a.command_id, a.trace_parent, a.events
FROM asked
CROSS JOIN LATERAL stream_v1(
    asked.partition_id, asked.edition, asked.root, coalesce(asked.sequence + 1, 0), coalesce(asked.through, 4294967295), 0,
    coalesce(asked.sequence + 1, 0), asked.size_limit
) a
WHERE asked.outcome IS NULL AND asked.is_expected AND asked.next_sequence > coalesce(asked.sequence + 1, 0)
