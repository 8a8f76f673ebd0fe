//! End-to-end tests: the rig and one scenario a file.
