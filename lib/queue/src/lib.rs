//! Queue backends: where entries wait between two runners.
