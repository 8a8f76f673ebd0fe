-- Lets a journal of version 1 be read as if it were one of version 2, without changing it: temporary views go before tables.
CREATE TEMP VIEW state AS SELECT s.*, coalesce((SELECT min(seq) - 1 FROM main.results), next_seq - 1) AS removed_to,
    0 AS age_us, next_seq AS checked_from, NULL AS sum FROM main.state s;
CREATE TEMP VIEW results AS SELECT *, NULL AS sum FROM main.results;
CREATE TEMP VIEW names AS SELECT *, NULL AS sum FROM main.names;
CREATE TEMP VIEW alarms AS SELECT *, NULL AS sum FROM main.alarms;
CREATE TEMP VIEW reviews AS SELECT *, NULL AS sum FROM main.reviews;
CREATE TEMP VIEW dictionaries AS SELECT *, NULL AS copy, NULL AS sum FROM main.dictionaries;
CREATE TEMP VIEW gaps AS SELECT *, NULL AS acknowledged, NULL AS by, NULL AS sum FROM main.gaps;
CREATE TEMP TABLE ages (age_us INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, sum BLOB NOT NULL);
CREATE TEMP TABLE audit_anchor (one INTEGER PRIMARY KEY, id INTEGER NOT NULL, hash BLOB NOT NULL);
INSERT INTO audit_anchor VALUES (1, 0, zeroblob(32));
