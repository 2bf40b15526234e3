#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| haul_conformance::fuzz::joined(data));
