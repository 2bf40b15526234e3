//! What is transferred of a file beside its bytes: holes, the executable bit, the announced size.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::client;
use crate::network::Small;
use crate::process::Bench;

/// "sparse files fill the disk": holes stay holes, in both directions.
pub fn sparse_files_stay_sparse(program: &Path) {
    const SIZE: u64 = 300 << 20;
    let bench = Bench::new(program);
    File::create(bench.here().join("img")).unwrap().set_len(SIZE).unwrap();
    let server = bench.serve(&[]);
    client(&bench, &server, "put img").assert_code(0);
    client(&bench, &server, "get img -o back").assert_code(0);
    for file in [bench.share().join("img"), bench.here().join("back")] {
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!(metadata.len(), SIZE);
        assert!(metadata.blocks() < 2048, "{}: {} blocks", file.display(), metadata.blocks());
    }
}

/// "executable bit lost (and a private file becomes readable)": a program stays executable. Otherwise a new file has
/// the rights of any new file there.
pub fn programs_stay_executable(program: &Path) {
    let bench = Bench::new(program);
    let script = bench.here().join("run.sh");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(bench.here().join("plain"), "x").unwrap();
    let launcher = ["sh", "-c", "umask 027; exec \"$@\"", "sh"];
    let server = bench.serve_under(&launcher, &[]);
    for words in ["put run.sh plain", "get run.sh -o r", "get plain -o p"] {
        super::client_under(&launcher, &bench, &server, words).assert_code(0);
    }
    let (share, here) = (bench.share(), bench.here());
    for (file, mode) in [
        (share.join("run.sh"), 0o750),
        (share.join("plain"), 0o640),
        (here.join("r"), 0o750),
        (here.join("p"), 0o640),
    ] {
        let found = fs::metadata(&file).unwrap().mode() & 0o7777;
        assert_eq!(found, mode, "{}: {found:o}", file.display());
    }
}

/// "announced size reserves the disk for somebody who sends nothing": the client that sends bytes gets the space.
pub fn an_announced_size_takes_no_room_from_others(program: &Path) {
    let bench = Bench::new(program);
    let Some(_small) = Small::tmpfs(&bench.share(), "size=64m") else { return };
    let server = bench.serve(&[]);
    let mut silent = server.connect();
    assert!(silent.line().starts_with("HAUL/1 "));
    silent.send(b"UPLOAD a size=60000000\n");
    assert_eq!(silent.line(), "READY");
    silent.send(b"DATA 1000000\n");
    silent.send(&[0; 1100]);
    for _ in 0..3 {
        let input = vec![0; 20 << 20];
        let put = ["put", "-", "--as", "b", "--server", &server.url()];
        bench.run_with(&put, &input).assert_code(0);
    }
}
