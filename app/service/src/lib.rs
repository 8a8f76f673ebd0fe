//! The Sightline inspection station.
