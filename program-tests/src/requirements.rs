//! What checks need of this machine.

use std::process::{Command, Stdio};

/// If this variable is set, no check may be skipped.
const MUST_RUN: &str = "HAUL_TESTS_MUST_RUN";

/// What a check needs. If this machine does not have it, the check is skipped and prints why.
///
/// # Panics
/// When it is missing and `HAUL_TESTS_MUST_RUN` is set.
pub(crate) fn or_skip<T>(needed: Result<T, String>) -> Option<T> {
    needed
        .inspect_err(|reason| {
            assert!(std::env::var_os(MUST_RUN).is_none(), "{reason}");
            eprintln!("skipped: {reason}");
        })
        .ok()
}

/// Whether `strace` can make system calls fail here.
///
/// # Panics
/// When it cannot and `HAUL_TESTS_MUST_RUN` is set.
pub(crate) fn can_inject() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let runs = traced.is_ok_and(|status| status.success());
    or_skip(runs.then_some(()).ok_or_else(|| String::from("strace does not run here"))).is_some()
}
