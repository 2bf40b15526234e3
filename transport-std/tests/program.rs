//! The program from end to end: real processes, sockets, files and exit codes.

haul_program_tests::program_tests!(env!("CARGO_BIN_EXE_haul-std"));
