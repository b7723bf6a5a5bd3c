-- Until when attempts to send work may take effect; NULL where nobody noted them.
ALTER TABLE outgoing ADD COLUMN may_land_until timestamptz;

-- Writes a batch of entries in one statement: proposals, and groups of steps of consumers, each of an entry with a proposal or without one.
--
-- The leases of the groups are checked first; their rows stay locked for share until the end, so that a takeover waits. Then come the locks of the
-- partitions. Each statement after that takes a snapshot of its own (the function is VOLATILE, the transaction READ COMMITTED), which sees all that
-- the last holder of a lock committed; so positions are dense and in commit order. What the batch does to its own streams, ids and positions is
-- counted in arrays, and written at the end by one INSERT a table. Steps come last: those of groups whose lease holds and whose proposal, if they
-- have one, is recorded now or was before.
--
-- Arrays of the same prefix have the same length; each proposal names the first proposal of its stream (stream_of) and of its command id (key_of),
-- the slice of its facts, if its events have external ids, and its group of steps (group_of), if it has one. A fact names an earlier one of its
-- proposal with the same id (earlier). A group names the first group of its consumer (group_consumer).
-- times_left are microseconds from the begin of the statement, which may wait long for a lock, to the deadline of each proposal that has one.
-- step_landings are microseconds from now within which attempts to send outgoing work may take effect.
-- is_repeat says that the batch was sent before: a proposal without a command id is then looked for by its append id.
--
-- Kinds of steps: 1 advance, 2 queue outgoing work, 3 move the cursor, 4 park, 5 unpark, 6 settle, 7 settle with a refusal, 8 resend, 9 discard, 10 attempt.
CREATE FUNCTION write_v3(
    is_repeat boolean,
    lock_ids integer[],
    partition_ids integer[], partition_no integer[], editions text[], root_ids uuid[], stream_of integer[], key_of integer[],
    expected bigint[], append_ids uuid[], command_ids text[], hashes bytea[], correlation_ids text[], trace_parents text[],
    event_counts integer[], sizes integer[], event_blobs bytea[],
    fact_from integer[], fact_through integer[],
    fact_earlier integer[], fact_ids text[], fact_hashes bytea[], fact_sizes integer[], fact_blobs bytea[],
    snapshot_of integer[],
    snapshot_sequences bigint[], snapshot_versions bigint[], snapshot_seconds bigint[], snapshot_nanos integer[],
    snapshot_types text[], snapshot_states bytea[],
    group_of integer[], times_left bigint[], group_names text[], group_epochs bigint[], group_consumer integer[],
    step_groups integer[], step_kinds smallint[], step_domains text[], step_editions text[], step_roots uuid[], step_sequences bigint[],
    step_attempts bigint[], step_codes integer[], step_messages text[], step_details bytea[], step_positions bigint[], step_append_ids uuid[],
    step_store_ids uuid[], step_incarnations uuid[], step_outgoing_ids text[], step_commands bytea[], step_facts bytea[],
    step_trace_parents text[], step_landings bigint[]
) RETURNS TABLE (
    no integer,          -- the proposal; of a fenced group, the group
    outcome smallint,    -- 1 appended, 2 known with the stored append, 3 known with the append of an earlier proposal, 4 key reused, 5 conflict,
                         -- 6 the lease of the group was taken over, 7 the deadline had passed
    earlier integer,     -- the earlier proposal
    reused text,         -- the reused key
    taken integer[],     -- the facts that were recorded; NULL where none has an external id
    at_sequence bigint,  -- the first sequence of the append; of a conflict, the stream's next
    at_position bigint,  -- the last position of the append
    stored_id uuid, stored_correlation_id text, stored_command_id text, stored_trace_parent text, stored_events bytea
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    n integer := cardinality(append_ids);
    heads bigint[];
    nexts bigint[];
    known integer[];
    is_known boolean[] := array_fill(false, ARRAY[n]);
    recorded_by integer[] := array_fill(NULL::integer, ARRAY[n]);
    firsts bigint[] := array_fill(NULL::bigint, ARRAY[n]);
    lasts bigint[] := array_fill(NULL::bigint, ARRAY[n]);
    counts integer[] := event_counts;
    bytes integer[] := sizes;
    blobs bytea[] := event_blobs;
    lock_id integer;
    i integer;
    j integer;
    f integer;
    s integer;
    p integer;
    found_hash bytea;
    fresh integer[];
    has_known boolean;
    stored record;
    groups integer := cardinality(group_names);
    applies boolean[] := array_fill(true, ARRAY[groups]);
    consumer_ids integer[] := array_fill(NULL::integer, ARRAY[groups]);
    free_places bigint[] := array_fill(NULL::bigint, ARRAY[groups]);
    step record;
BEGIN
    FOR i IN 1..groups LOOP
        PERFORM FROM leases l WHERE l.name = group_names[i] AND l.epoch = group_epochs[i] FOR SHARE;
        IF NOT FOUND THEN
            applies[i] := false;
            no := i; outcome := 6;
            RETURN NEXT;
        END IF;
    END LOOP;
    IF groups > 0 THEN
        FOR i IN 1..n LOOP
            is_known[i] := group_of[i] IS NOT NULL AND NOT applies[group_of[i]];
        END LOOP;
    END IF;

    FOREACH lock_id IN ARRAY lock_ids LOOP
        PERFORM pg_advisory_xact_lock(hashtext(current_schema()), lock_id);
    END LOOP;

    SELECT array_agg(coalesce((
        SELECT a.last_position FROM appends a WHERE a.partition_id = l.id ORDER BY a.last_position DESC LIMIT 1
    ), 0) ORDER BY l.ordinal) INTO heads
    FROM unnest(lock_ids) WITH ORDINALITY l(id, ordinal);

    SELECT array_agg(CASE WHEN q.stream_of = q.ordinal THEN coalesce((
        SELECT a.first_sequence + a.event_count FROM appends a
        WHERE a.partition_id = q.partition_id AND a.edition = q.edition AND a.root = q.root
        ORDER BY a.first_sequence DESC LIMIT 1
    ), 0) END ORDER BY q.ordinal) INTO nexts
    FROM unnest(partition_ids, editions, root_ids, stream_of) WITH ORDINALITY q(partition_id, edition, root, stream_of, ordinal);

    SELECT array_agg(q.ordinal) INTO known
    FROM unnest(partition_ids, editions, root_ids, command_ids) WITH ORDINALITY q(partition_id, edition, root, command_id, ordinal)
    JOIN commands c ON c.partition_id = q.partition_id AND c.edition = q.edition AND c.root = q.root AND c.command_id = q.command_id;
    IF known IS NOT NULL THEN
        FOREACH i IN ARRAY known LOOP
            CONTINUE WHEN is_known[i];
            is_known[i] := true;
            SELECT r.* INTO stored FROM known_command_v1(partition_ids[i], editions[i], root_ids[i], command_ids[i], hashes[i]) r;
            IF stored.outcome = 4 AND group_of[i] IS NOT NULL THEN
                applies[group_of[i]] := false;
            END IF;
            RETURN QUERY SELECT i, stored.outcome, NULL::integer, CASE WHEN stored.outcome = 4 THEN command_ids[i] END, NULL::integer[],
                stored.first_sequence, stored.last_position, stored.append_id, stored.correlation_id, command_ids[i], stored.trace_parent,
                stored.events;
        END LOOP;
    END IF;

    FOR i IN 1..n LOOP
        CONTINUE WHEN is_known[i];
        s := stream_of[i];
        p := partition_no[i];
        outcome := NULL; at_sequence := NULL; at_position := NULL; earlier := NULL; reused := NULL; taken := NULL;
        stored_id := NULL; stored_correlation_id := NULL; stored_command_id := NULL; stored_trace_parent := NULL;
        stored_events := NULL;
        no := i;
        j := recorded_by[key_of[i]];
        IF j IS NOT NULL THEN
            IF hashes[i] = hashes[j] THEN
                outcome := 3; earlier := j;
            ELSE
                outcome := 4; reused := command_ids[i];
                IF group_of[i] IS NOT NULL THEN applies[group_of[i]] := false; END IF;
            END IF;
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF is_repeat AND fact_from[i] IS NOT NULL AND command_ids[i] IS NULL THEN
            SELECT a.* INTO stored FROM appends a
            WHERE a.partition_id = partition_ids[i] AND a.edition = editions[i] AND a.root = root_ids[i] AND a.append_id = append_ids[i];
            IF stored.append_id IS NOT NULL THEN
                outcome := 2; at_sequence := stored.first_sequence; at_position := stored.last_position;
                stored_id := stored.append_id; stored_correlation_id := stored.correlation_id; stored_trace_parent := stored.trace_parent;
                stored_events := stored.events;
                RETURN NEXT;
                CONTINUE;
            END IF;
        END IF;

        IF clock_timestamp() >= statement_timestamp() + times_left[i] * interval '1 microsecond' THEN
            outcome := 7;
            IF group_of[i] IS NOT NULL THEN applies[group_of[i]] := false; END IF;
            RETURN NEXT;
            CONTINUE;
        END IF;

        has_known := false;
        IF fact_from[i] IS NOT NULL THEN
            fresh := ARRAY[]::integer[];
            FOR f IN fact_from[i]..fact_through[i] LOOP
                found_hash := NULL;
                IF fact_earlier[f] IS NOT NULL THEN
                    found_hash := fact_hashes[fact_earlier[f]];
                ELSIF fact_ids[f] IS NOT NULL THEN
                    SELECT e.hash INTO found_hash FROM externals e
                    WHERE e.partition_id = partition_ids[i] AND e.edition = editions[i] AND e.root = root_ids[i] AND e.external_id = fact_ids[f];
                END IF;
                IF found_hash IS NULL THEN
                    fresh := fresh || f;
                ELSIF found_hash = fact_hashes[f] THEN
                    has_known := true;
                ELSE
                    reused := fact_ids[f];
                    EXIT;
                END IF;
            END LOOP;
            IF reused IS NOT NULL THEN
                outcome := 4;
                IF group_of[i] IS NOT NULL THEN applies[group_of[i]] := false; END IF;
                RETURN NEXT;
                CONTINUE;
            END IF;
            counts[i] := cardinality(fresh);
        END IF;

        IF expected[i] <> nexts[s] AND NOT (counts[i] = 0 AND has_known) THEN
            outcome := 5; at_sequence := nexts[s];
            IF group_of[i] IS NOT NULL THEN applies[group_of[i]] := false; END IF;
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF fact_from[i] IS NOT NULL THEN
            INSERT INTO externals (partition_id, edition, root, external_id, hash)
            SELECT partition_ids[i], editions[i], root_ids[i], fact_ids[t], fact_hashes[t] FROM unnest(fresh) t WHERE fact_ids[t] IS NOT NULL;
            SELECT coalesce(string_agg(fact_blobs[t], ''::bytea ORDER BY t), '') AS blob, coalesce(sum(fact_sizes[t]), 0) AS size
            INTO stored FROM unnest(fresh) t;
            blobs[i] := stored.blob;
            bytes[i] := stored.size;
            taken := fresh;
        END IF;
        firsts[i] := nexts[s];
        nexts[s] := nexts[s] + counts[i];
        heads[p] := heads[p] + counts[i];
        lasts[i] := heads[p];
        IF key_of[i] IS NOT NULL THEN
            recorded_by[key_of[i]] := i;
        END IF;
        IF snapshot_of[i] IS NOT NULL THEN
            j := snapshot_of[i];
            INSERT INTO snapshots AS k (partition_id, edition, root, sequence, version, seconds, nanos, type_url, state)
            VALUES (partition_ids[i], editions[i], root_ids[i], snapshot_sequences[j], snapshot_versions[j], snapshot_seconds[j],
                snapshot_nanos[j], snapshot_types[j], snapshot_states[j])
            ON CONFLICT (partition_id, edition, root) DO UPDATE SET sequence = excluded.sequence, version = excluded.version,
                seconds = excluded.seconds, nanos = excluded.nanos, type_url = excluded.type_url, state = excluded.state
            WHERE k.sequence < excluded.sequence OR k.version <> excluded.version;
        END IF;
        outcome := 1; at_sequence := firsts[i]; at_position := lasts[i];
        RETURN NEXT;
    END LOOP;

    INSERT INTO appends (partition_id, last_position, edition, root, first_sequence, event_count, size, append_id, correlation_id, command_id,
        trace_parent, events)
    SELECT q.partition_id, q.last_position, q.edition, q.root, q.first_sequence, q.event_count, q.size, q.append_id, q.correlation_id, q.command_id,
        q.trace_parent, q.events
    FROM unnest(partition_ids, lasts, editions, root_ids, firsts, counts, bytes, append_ids, correlation_ids, command_ids, trace_parents, blobs)
        q(partition_id, last_position, edition, root, first_sequence, event_count, size, append_id, correlation_id, command_id, trace_parent, events)
    WHERE q.first_sequence IS NOT NULL AND q.event_count > 0;

    INSERT INTO commands (partition_id, edition, root, command_id, hash, append_id, first_sequence, last_position, event_count,
        empty_correlation_id, empty_trace_parent)
    SELECT q.partition_id, q.edition, q.root, q.command_id, q.hash, q.append_id, q.first_sequence, q.last_position, q.event_count,
        CASE WHEN q.event_count = 0 THEN q.correlation_id END, CASE WHEN q.event_count = 0 THEN q.trace_parent END
    FROM unnest(partition_ids, editions, root_ids, command_ids, hashes, append_ids, firsts, lasts, counts, correlation_ids, trace_parents)
        q(partition_id, edition, root, command_id, hash, append_id, first_sequence, last_position, event_count, correlation_id, trace_parent)
    WHERE q.first_sequence IS NOT NULL AND q.command_id IS NOT NULL;

    IF groups = 0 THEN
        RETURN;
    END IF;
    FOR i IN 1..groups LOOP
        CONTINUE WHEN NOT applies[i];
        j := group_consumer[i];
        CONTINUE WHEN consumer_ids[j] IS NOT NULL;
        SELECT c.id, c.next_place INTO stored FROM consumers c WHERE c.name = group_names[i] FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            INSERT INTO consumers (name) VALUES (group_names[i]) ON CONFLICT (name) DO NOTHING;
            SELECT c.id, c.next_place INTO stored FROM consumers c WHERE c.name = group_names[i] FOR NO KEY UPDATE;
        END IF;
        consumer_ids[j] := stored.id;
        free_places[j] := stored.next_place;
    END LOOP;
    -- Roots and cursors only move forward, so the furthest step of each counts, in whatever order.
    INSERT INTO roots AS r (consumer_id, domain, edition, root, next_sequence)
    SELECT consumer_ids[group_consumer[q.of_group]], q.domain, q.edition, q.root, max(q.sequence)
    FROM unnest(step_groups, step_kinds, step_domains, step_editions, step_roots, step_sequences)
        q(of_group, kind, domain, edition, root, sequence)
    WHERE q.kind = 1 AND applies[q.of_group] GROUP BY 1, 2, 3, 4
    ON CONFLICT (consumer_id, domain, edition, root) DO UPDATE SET next_sequence = excluded.next_sequence
    WHERE r.next_sequence IS NULL OR r.next_sequence < excluded.next_sequence;

    UPDATE sources s
    SET position = m.position, append_id = m.append_id, store_id = m.store_id, incarnation = m.incarnation
    FROM (
        SELECT DISTINCT ON (1, 2) consumer_ids[group_consumer[q.of_group]] AS consumer_id, q.domain, q.position, q.append_id, q.store_id,
            q.incarnation
        FROM unnest(step_groups, step_kinds, step_domains, step_positions, step_append_ids, step_store_ids, step_incarnations)
            q(of_group, kind, domain, position, append_id, store_id, incarnation)
        WHERE q.kind = 3 AND applies[q.of_group] ORDER BY 1, 2, q.position DESC
    ) m
    WHERE s.consumer_id = m.consumer_id AND s.domain = m.domain AND s.position < m.position;

    FOR step IN
        SELECT q.*, group_consumer[q.of_group] AS consumer FROM unnest(step_groups, step_kinds, step_domains, step_editions, step_roots,
            step_sequences, step_attempts, step_codes, step_messages, step_details, step_positions, step_append_ids, step_store_ids,
            step_incarnations, step_outgoing_ids, step_commands, step_facts, step_trace_parents, step_landings)
        WITH ORDINALITY q(of_group, kind, domain, edition, root, sequence, attempts, code, message, details, position, append_id, store_id, incarnation,
            outgoing_id, command, facts, trace_parent, landing, ordinal)
        WHERE applies[q.of_group] AND q.kind NOT IN (1, 3) ORDER BY q.ordinal
    LOOP
        CASE step.kind
            WHEN 2 THEN
                INSERT INTO outgoing (consumer_id, place, outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent,
                    may_land_until)
                VALUES (consumer_ids[step.consumer], free_places[step.consumer], step.outgoing_id, step.domain, step.edition, step.root, step.command, step.facts,
                    step.trace_parent, clock_timestamp() + step.landing * interval '1 microsecond')
                ON CONFLICT (consumer_id, outgoing_id) DO NOTHING;
                free_places[step.consumer] := free_places[step.consumer] + 1;
            WHEN 4 THEN
                INSERT INTO roots (consumer_id, domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message,
                    parked_details)
                VALUES (consumer_ids[step.consumer], step.domain, step.edition, step.root, step.sequence, step.attempts, step.code, step.message, step.details)
                ON CONFLICT (consumer_id, domain, edition, root) DO UPDATE SET parked_sequence = excluded.parked_sequence,
                    parked_attempts = excluded.parked_attempts, parked_code = excluded.parked_code, parked_message = excluded.parked_message,
                    parked_details = excluded.parked_details;
            WHEN 5 THEN
                UPDATE roots SET parked_sequence = NULL, parked_attempts = NULL, parked_code = NULL, parked_message = NULL, parked_details = NULL
                WHERE consumer_id = consumer_ids[step.consumer] AND domain = step.domain AND edition = step.edition AND root = step.root;
            WHEN 6 THEN
                DELETE FROM outgoing WHERE consumer_id = consumer_ids[step.consumer] AND outgoing_id = step.outgoing_id;
            WHEN 7 THEN
                UPDATE outgoing SET refusal_code = step.code, refusal_message = step.message, refusal_details = step.details
                WHERE consumer_id = consumer_ids[step.consumer] AND outgoing_id = step.outgoing_id;
            WHEN 8 THEN
                UPDATE outgoing SET place = free_places[step.consumer], refusal_code = NULL, refusal_message = NULL, refusal_details = NULL
                WHERE consumer_id = consumer_ids[step.consumer] AND outgoing_id = step.outgoing_id AND refusal_code IS NOT NULL;
                free_places[step.consumer] := free_places[step.consumer] + 1;
            WHEN 9 THEN
                DELETE FROM outgoing WHERE consumer_id = consumer_ids[step.consumer] AND outgoing_id = step.outgoing_id AND refusal_code IS NOT NULL;
            WHEN 10 THEN
                UPDATE outgoing SET may_land_until = greatest(may_land_until, clock_timestamp() + step.landing * interval '1 microsecond')
                WHERE consumer_id = consumer_ids[step.consumer] AND outgoing_id = step.outgoing_id;
        END CASE;
    END LOOP;
    FOR i IN 1..groups LOOP
        UPDATE consumers c SET next_place = free_places[i] WHERE c.id = consumer_ids[i] AND c.next_place < free_places[i];
    END LOOP;
END
$$;
