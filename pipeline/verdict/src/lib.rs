//! What is decided about a part, as pure state machines: dossier, rules, judge, gate schedule, result.
