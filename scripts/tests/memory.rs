//! The state machine on a directory answers every script alike, however the bytes are cut.

#[test]
fn every_script_on_every_schedule() {
    let transcripts = haul_scripts::memory::check().unwrap();
    assert!(transcripts.len() >= 300, "only {} scripts ran", transcripts.len());
}
