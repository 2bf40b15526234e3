//! Tests that every transport passes. They are in `tests/transports`, written once against the common interface of the
//! transports, and run for each of them.
