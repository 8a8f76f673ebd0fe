//! The Engine trait, model bundles, preprocessing, decoders, suppression, and a scripted engine for tests.
