-- Version 1. Times are microseconds since 1970 UTC. Enumerations are numbers from codes.rs.

-- Where the numbering and the outbox stand; exactly one row.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_seq INTEGER NOT NULL,
    -- The outbox is every result above this number: one number to move, no second row to write and delete.
    acknowledged_to INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    removed_unacknowledged INTEGER NOT NULL
);
INSERT INTO state VALUES (1, 1, 0, 0, 0);

-- One row a start of the station.
CREATE TABLE runs (
    boot_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    first_seq INTEGER NOT NULL
);

-- Recipes, cameras, and causes (what a part is rejected for), each stored once.
CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (kind, name)
);

-- Raw content that bodies are compressed against.
CREATE TABLE dictionaries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    content BLOB NOT NULL
);

CREATE TABLE results (
    seq INTEGER PRIMARY KEY,
    decided INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    evaluation INTEGER NOT NULL,
    disposition INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    recipe INTEGER NOT NULL,
    part_id TEXT,
    -- NULL: compressed without one.
    dictionary INTEGER,
    -- The JSON as it is published, zstd.
    body BLOB NOT NULL
);
CREATE INDEX rejected ON results (seq) WHERE disposition = 1;
CREATE INDEX part ON results (part_id) WHERE part_id IS NOT NULL;

-- Why a rejected part was rejected, once for each cause and camera.
CREATE TABLE causes (
    cause INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    camera INTEGER NOT NULL,
    PRIMARY KEY (cause, seq, camera)
) WITHOUT ROWID;
CREATE INDEX causes_of ON causes (seq);

-- Numbers that have no row, and why. Their results are lost; the numbers are not used again.
CREATE TABLE gaps (
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL
);

-- Statistics outlive the results they were made from.
CREATE TABLE counts (
    minute INTEGER NOT NULL,
    recipe INTEGER NOT NULL,
    evaluation INTEGER NOT NULL,
    disposition INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    PRIMARY KEY (minute, recipe, evaluation, disposition)
) WITHOUT ROWID;
CREATE TABLE pareto (
    minute INTEGER NOT NULL,
    recipe INTEGER NOT NULL,
    camera INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    findings INTEGER NOT NULL,
    PRIMARY KEY (minute, recipe, camera, cause)
) WITHOUT ROWID;

CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    alarm TEXT NOT NULL,
    change INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    by TEXT,
    message TEXT NOT NULL
);

CREATE TABLE reviews (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    by TEXT NOT NULL,
    evaluation INTEGER NOT NULL,
    comment TEXT NOT NULL
);
CREATE INDEX reviews_of ON reviews (seq);

-- Each link's hash covers its content and the hash before it (audit.rs). Append-only.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    old TEXT,
    new TEXT,
    reason TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
