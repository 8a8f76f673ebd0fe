-- Version 2: every record carries a checksum (proof.rs), age is counted by a clock that never steps, lost numbers are
-- told until somebody has taken note. Records of version 1 have no checksum: NULL.

ALTER TABLE state ADD COLUMN removed_to INTEGER NOT NULL DEFAULT 0;
-- How long stations have run with this journal, microseconds of the monotonic clock.
ALTER TABLE state ADD COLUMN age_us INTEGER NOT NULL DEFAULT 0;
-- Results from this number on must have a checksum.
ALTER TABLE state ADD COLUMN checked_from INTEGER NOT NULL DEFAULT 1;
ALTER TABLE state ADD COLUMN sum BLOB;
UPDATE state SET checked_from = next_seq, removed_to = coalesce((SELECT min(seq) - 1 FROM results), next_seq - 1);

ALTER TABLE results ADD COLUMN sum BLOB;
ALTER TABLE names ADD COLUMN sum BLOB;
ALTER TABLE alarms ADD COLUMN sum BLOB;
ALTER TABLE reviews ADD COLUMN sum BLOB;
-- Many results need a dictionary, so that there are two of each.
ALTER TABLE dictionaries ADD COLUMN copy BLOB;
ALTER TABLE dictionaries ADD COLUMN sum BLOB;

-- When and by whom note was taken of the gap; NULL: it is still to be told.
ALTER TABLE gaps ADD COLUMN acknowledged INTEGER;
ALTER TABLE gaps ADD COLUMN by TEXT;
ALTER TABLE gaps ADD COLUMN sum BLOB;

-- At this age of the journal the next result had this number: what lies below is older.
CREATE TABLE ages (
    age_us INTEGER PRIMARY KEY,
    next_seq INTEGER NOT NULL,
    sum BLOB NOT NULL
);

-- The newest link that the audit trail no longer has, and its hash, which the first that is there builds on.
CREATE TABLE audit_anchor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id INTEGER NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO audit_anchor VALUES (1, 0, zeroblob(32));
DROP TRIGGER audit_is_not_shortened;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit WHEN old.id > (SELECT id FROM audit_anchor)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
