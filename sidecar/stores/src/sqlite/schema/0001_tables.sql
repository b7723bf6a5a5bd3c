-- One row: which history this is, and who can read it.
CREATE TABLE format (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    min_reader INTEGER NOT NULL,
    store_id BLOB NOT NULL,
    incarnation BLOB NOT NULL
) STRICT;

-- Domains, numbered; the number is the upper part of a place in the log.
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    domain TEXT NOT NULL UNIQUE
) STRICT;

-- Streams, numbered; the number is the upper part of an append's key. The main timeline is the empty edition, so that it sorts first.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    edition TEXT NOT NULL,
    root BLOB NOT NULL,
    next_sequence INTEGER NOT NULL,
    UNIQUE (partition, edition, root)
) STRICT;

-- Appends with their events, those of one stream side by side: id = stream << 32 | first sequence.
CREATE TABLE appends (
    id INTEGER PRIMARY KEY,
    append_id BLOB NOT NULL,
    last_position INTEGER NOT NULL,
    correlation_id TEXT NOT NULL,
    command_id TEXT,
    trace_parent TEXT,
    events BLOB NOT NULL
) STRICT;

-- The order of the log: id = partition << 44 | last position.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    append INTEGER NOT NULL,
    append_id BLOB NOT NULL,
    correlation_id TEXT NOT NULL
) STRICT;

CREATE INDEX log_by_correlation ON log (correlation_id);

-- Command ids with their first result: the append at first_sequence, or what is kept of an empty one.
CREATE TABLE commands (
    stream INTEGER NOT NULL,
    command_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    first_sequence INTEGER NOT NULL,
    empty BLOB,
    PRIMARY KEY (stream, command_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE externals (
    stream INTEGER NOT NULL,
    external_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (stream, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    stream INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    nanos INTEGER NOT NULL,
    type_url TEXT NOT NULL,
    state BLOB NOT NULL
) STRICT;

-- Consumers, numbered, each with the place that its next outgoing work gets; a place is never used twice.
CREATE TABLE consumers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    next_place INTEGER NOT NULL
) STRICT;

CREATE TABLE sources (
    consumer INTEGER NOT NULL,
    domain TEXT NOT NULL,
    start_position INTEGER NOT NULL,
    start_append_id BLOB,
    start_store_id BLOB NOT NULL,
    start_incarnation BLOB NOT NULL,
    position INTEGER NOT NULL,
    append_id BLOB,
    store_id BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    PRIMARY KEY (consumer, domain)
) STRICT, WITHOUT ROWID;

CREATE TABLE roots (
    consumer INTEGER NOT NULL,
    domain TEXT NOT NULL,
    edition TEXT NOT NULL,
    root BLOB NOT NULL,
    next_sequence INTEGER,
    parked_sequence INTEGER,
    parked_attempts INTEGER,
    parked_code INTEGER,
    parked_message TEXT,
    parked_details BLOB,
    PRIMARY KEY (consumer, domain, edition, root)
) STRICT, WITHOUT ROWID;

CREATE INDEX roots_parked ON roots (consumer, domain, edition, root) WHERE parked_sequence IS NOT NULL;

-- Work that waits (no refusal) or is parked with one. The work is the message that is sent.
CREATE TABLE outgoing (
    consumer INTEGER NOT NULL,
    place INTEGER NOT NULL,
    outgoing_id TEXT NOT NULL,
    trigger_domain TEXT NOT NULL,
    trigger_edition TEXT NOT NULL,
    trigger_root BLOB NOT NULL,
    command BLOB,
    facts BLOB,
    trace_parent TEXT,
    refusal_code INTEGER,
    refusal_message TEXT,
    refusal_details BLOB,
    PRIMARY KEY (consumer, place),
    UNIQUE (consumer, outgoing_id)
) STRICT, WITHOUT ROWID;

-- Epochs survive; a holder counts only within the session (the open store) that granted it, until so many nanoseconds of that session.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    holder TEXT,
    session BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
