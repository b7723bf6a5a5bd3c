-- The first result of a command id, whole: outcome 2, or 4 when the id stands for another payload. No row when the id is new.
CREATE FUNCTION known_command_v1(of_partition integer, of_edition text, of_root uuid, of_command text, of_hash bytea)
RETURNS TABLE (
    outcome smallint, append_id uuid, first_sequence bigint, last_position bigint, event_count integer, correlation_id text, trace_parent text,
    events bytea
)
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN c.hash = of_hash THEN 2 ELSE 4 END::smallint, c.append_id, c.first_sequence, c.last_position, c.event_count,
        coalesce(a.correlation_id, c.empty_correlation_id), coalesce(a.trace_parent, c.empty_trace_parent), a.events
    FROM commands c
    LEFT JOIN appends a ON c.event_count > 0 AND a.partition_id = c.partition_id AND a.edition = c.edition AND a.root = c.root
        AND a.first_sequence = c.first_sequence
    WHERE c.partition_id = of_partition AND c.edition = of_edition AND c.root = of_root AND c.command_id = of_command
$$;

-- Appends of a stream, in order: from the one that holds a sequence on, those that end after a position and begin at most at another sequence, until
-- the size of those that begin at counted_from or later exceeds the limit; the one that exceeds it comes as well.
CREATE FUNCTION stream_v1(
    of_partition integer, of_edition text, of_root uuid, from_sequence bigint, through_sequence bigint, after_position bigint, counted_from bigint,
    size_limit bigint
) RETURNS SETOF appends
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    found appends;
    total bigint := 0;
BEGIN
    FOR found IN
        SELECT a.* FROM appends a
        WHERE a.partition_id = of_partition AND a.edition = of_edition AND a.root = of_root
            AND a.first_sequence >= coalesce((
                SELECT b.first_sequence FROM appends b
                WHERE b.partition_id = of_partition AND b.edition = of_edition AND b.root = of_root AND b.first_sequence <= from_sequence
                ORDER BY b.first_sequence DESC LIMIT 1
            ), 0)
            AND a.first_sequence <= through_sequence AND a.first_sequence + a.event_count > from_sequence AND a.last_position > after_position
        ORDER BY a.first_sequence
    LOOP
        RETURN NEXT found;
        IF found.first_sequence >= counted_from THEN
            total := total + found.size;
        END IF;
        EXIT WHEN total > size_limit;
    END LOOP;
END
$$;

-- Appends of a partition after a position, in order, until their size exceeds the limit; the one that exceeds it comes as well.
CREATE FUNCTION partition_v1(of_partition integer, after_position bigint, size_limit bigint) RETURNS SETOF appends
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    found appends;
    total bigint := 0;
BEGIN
    FOR found IN
        SELECT a.* FROM appends a WHERE a.partition_id = of_partition AND a.last_position > after_position ORDER BY a.last_position
    LOOP
        RETURN NEXT found;
        total := total + found.size;
        EXIT WHEN total > size_limit;
    END LOOP;
END
$$;
