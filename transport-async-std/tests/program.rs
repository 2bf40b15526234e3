//! The program from end to end: real processes, sockets, files and exit codes.

haul_conformance::program_tests!(env!("CARGO_BIN_EXE_haul-async-std"));
