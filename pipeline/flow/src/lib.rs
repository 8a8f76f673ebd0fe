//! Views to verdicts on named threads: association, batcher, inference, cascade, dossier, rules, gate.
