-- Records steps of a consumer in one statement, if the epoch is the current one of its lease; else answers false and writes nothing. The row of
-- the lease stays locked for share until the end, so a takeover waits.
--
-- Kinds: 1 advance, 2 queue outgoing work, 3 move the cursor, 4 park, 5 unpark, 6 settle, 7 settle with a refusal, 8 resend, 9 discard.
CREATE FUNCTION commit_v1(
    of_consumer text, under_epoch bigint,
    kinds smallint[], domains text[], editions text[], root_ids uuid[], sequences bigint[], attempts bigint[],
    codes integer[], messages text[], detail_blobs bytea[],
    positions bigint[], append_ids uuid[], store_ids uuid[], incarnations uuid[],
    outgoing_ids text[], command_blobs bytea[], fact_blobs bytea[], trace_parents text[]
) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    consumer integer;
    free_place bigint;
    step record;
BEGIN
    PERFORM FROM leases l WHERE l.name = of_consumer AND l.epoch = under_epoch FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT c.id, c.next_place INTO consumer, free_place FROM consumers c WHERE c.name = of_consumer;
    IF consumer IS NULL THEN
        INSERT INTO consumers (name) VALUES (of_consumer) ON CONFLICT (name) DO NOTHING;
        SELECT c.id, c.next_place INTO consumer, free_place FROM consumers c WHERE c.name = of_consumer;
    END IF;
    FOR step IN
        SELECT * FROM unnest(kinds, domains, editions, root_ids, sequences, attempts, codes, messages, detail_blobs, positions, append_ids,
            store_ids, incarnations, outgoing_ids, command_blobs, fact_blobs, trace_parents)
        WITH ORDINALITY q(kind, domain, edition, root, sequence, attempts, code, message, details, position, append_id, store_id, incarnation,
            outgoing_id, command, facts, trace_parent, ordinal)
        ORDER BY q.ordinal
    LOOP
        CASE step.kind
            WHEN 1 THEN
                INSERT INTO roots AS r (consumer_id, domain, edition, root, next_sequence)
                VALUES (consumer, step.domain, step.edition, step.root, step.sequence)
                ON CONFLICT (consumer_id, domain, edition, root) DO UPDATE SET next_sequence = excluded.next_sequence
                WHERE r.next_sequence IS NULL OR r.next_sequence < excluded.next_sequence;
            WHEN 2 THEN
                INSERT INTO outgoing (consumer_id, place, outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent)
                VALUES (consumer, free_place, step.outgoing_id, step.domain, step.edition, step.root, step.command, step.facts,
                    step.trace_parent)
                ON CONFLICT (consumer_id, outgoing_id) DO NOTHING;
                free_place := free_place + 1;
            WHEN 3 THEN
                UPDATE sources SET position = step.position, append_id = step.append_id, store_id = step.store_id, incarnation = step.incarnation
                WHERE consumer_id = consumer AND domain = step.domain AND sources.position < step.position;
            WHEN 4 THEN
                INSERT INTO roots (consumer_id, domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message,
                    parked_details)
                VALUES (consumer, step.domain, step.edition, step.root, step.sequence, step.attempts, step.code, step.message, step.details)
                ON CONFLICT (consumer_id, domain, edition, root) DO UPDATE SET parked_sequence = excluded.parked_sequence,
                    parked_attempts = excluded.parked_attempts, parked_code = excluded.parked_code, parked_message = excluded.parked_message,
                    parked_details = excluded.parked_details;
            WHEN 5 THEN
                UPDATE roots SET parked_sequence = NULL, parked_attempts = NULL, parked_code = NULL, parked_message = NULL, parked_details = NULL
                WHERE consumer_id = consumer AND domain = step.domain AND edition = step.edition AND root = step.root;
            WHEN 6 THEN
                DELETE FROM outgoing WHERE consumer_id = consumer AND outgoing_id = step.outgoing_id;
            WHEN 7 THEN
                UPDATE outgoing SET refusal_code = step.code, refusal_message = step.message, refusal_details = step.details
                WHERE consumer_id = consumer AND outgoing_id = step.outgoing_id;
            WHEN 8 THEN
                UPDATE outgoing SET place = free_place, refusal_code = NULL, refusal_message = NULL, refusal_details = NULL
                WHERE consumer_id = consumer AND outgoing_id = step.outgoing_id AND refusal_code IS NOT NULL;
                free_place := free_place + 1;
            WHEN 9 THEN
                DELETE FROM outgoing WHERE consumer_id = consumer AND outgoing_id = step.outgoing_id AND refusal_code IS NOT NULL;
        END CASE;
    END LOOP;
    UPDATE consumers SET next_place = free_place WHERE id = consumer AND next_place < free_place;
    RETURN true;
END
$$;
