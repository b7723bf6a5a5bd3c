-- Texts sort by their bytes, as they do in the sidecar.

-- One row: which history this is, and who can read it.
CREATE TABLE format (
    id integer PRIMARY KEY CHECK (id = 1),
    version integer NOT NULL,
    min_reader integer NOT NULL,
    store_id uuid NOT NULL,
    incarnation uuid NOT NULL
);

-- Domains, numbered.
CREATE TABLE partitions (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain text COLLATE "C" NOT NULL UNIQUE
);

-- Appends with their events. The keys are the two orders: of the log, and of each stream. The main timeline is the empty edition.
CREATE TABLE appends (
    partition_id integer NOT NULL,
    last_position bigint NOT NULL,
    edition text COLLATE "C" NOT NULL,
    root uuid NOT NULL,
    first_sequence bigint NOT NULL,
    event_count integer NOT NULL,
    size integer NOT NULL,
    append_id uuid NOT NULL,
    correlation_id text COLLATE "C" NOT NULL,
    command_id text COLLATE "C",
    trace_parent text COLLATE "C",
    events bytea NOT NULL,
    PRIMARY KEY (partition_id, last_position),
    UNIQUE (partition_id, edition, root, first_sequence)
);

CREATE INDEX appends_by_correlation ON appends (partition_id, correlation_id, last_position);

-- Command ids with their first result: the append at first_sequence, or what is kept of an empty one.
CREATE TABLE commands (
    partition_id integer NOT NULL,
    edition text COLLATE "C" NOT NULL,
    root uuid NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    append_id uuid NOT NULL,
    first_sequence bigint NOT NULL,
    last_position bigint NOT NULL,
    event_count integer NOT NULL,
    empty_correlation_id text COLLATE "C",
    empty_trace_parent text COLLATE "C",
    PRIMARY KEY (partition_id, edition, root, command_id)
);

CREATE TABLE externals (
    partition_id integer NOT NULL,
    edition text COLLATE "C" NOT NULL,
    root uuid NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (partition_id, edition, root, external_id)
);

CREATE TABLE snapshots (
    partition_id integer NOT NULL,
    edition text COLLATE "C" NOT NULL,
    root uuid NOT NULL,
    sequence bigint NOT NULL,
    version bigint NOT NULL,
    seconds bigint NOT NULL,
    nanos integer NOT NULL,
    type_url text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (partition_id, edition, root)
);

-- Consumers, numbered, each with the place that its next outgoing work gets; a place is never used twice.
CREATE TABLE consumers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    next_place bigint NOT NULL DEFAULT 1
);

CREATE TABLE sources (
    consumer_id integer NOT NULL,
    domain text COLLATE "C" NOT NULL,
    start_position bigint NOT NULL,
    start_append_id uuid,
    start_store_id uuid NOT NULL,
    start_incarnation uuid NOT NULL,
    position bigint NOT NULL,
    append_id uuid,
    store_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    PRIMARY KEY (consumer_id, domain)
) WITH (fillfactor = 50);

CREATE TABLE roots (
    consumer_id integer NOT NULL,
    domain text COLLATE "C" NOT NULL,
    edition text COLLATE "C" NOT NULL,
    root uuid NOT NULL,
    next_sequence bigint,
    parked_sequence bigint,
    parked_attempts bigint,
    parked_code integer,
    parked_message text,
    parked_details bytea,
    PRIMARY KEY (consumer_id, domain, edition, root)
) WITH (fillfactor = 70);

CREATE INDEX roots_parked ON roots (consumer_id, domain, edition, root) WHERE parked_sequence IS NOT NULL;

-- Work that waits (no refusal) or is parked with one. The work is the message that is sent.
CREATE TABLE outgoing (
    consumer_id integer NOT NULL,
    place bigint NOT NULL,
    outgoing_id text COLLATE "C" NOT NULL,
    trigger_domain text COLLATE "C" NOT NULL,
    trigger_edition text COLLATE "C" NOT NULL,
    trigger_root uuid NOT NULL,
    command bytea,
    facts bytea,
    trace_parent text COLLATE "C",
    refusal_code integer,
    refusal_message text,
    refusal_details bytea,
    PRIMARY KEY (consumer_id, place),
    UNIQUE (consumer_id, outgoing_id)
);

-- Epochs survive; a holder counts until its time is over by the server's clock.
CREATE TABLE leases (
    name text COLLATE "C" PRIMARY KEY,
    epoch bigint NOT NULL,
    holder text COLLATE "C",
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
