//! Tests that every transport passes. They are in `tests/transports`, written once against what the transports have in common, and run for each of them.
