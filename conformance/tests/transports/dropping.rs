//! Futures that are dropped.
