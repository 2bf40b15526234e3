//! Many seeds of the simulator, and proof that it detects what it looks for.

use haul_simulator::{self as sim, Fault, Plan, Planted, Tally};

const SEEDS: u64 = 100_000;
/// The least number of times that each kind of fault must happen in them.
const AT_LEAST: u64 = 1000;
/// A planted bug is found within this many seeds.
const WITHIN: u64 = 5000;

#[test]
fn no_seed_breaks_an_invariant() {
    let (mut tally, mut steps) = (Tally::default(), 0_u64);
    for seed in 0..SEEDS {
        match sim::check(seed, None) {
            Ok(outcome) => {
                tally.add(&outcome.tally);
                steps += u64::from(outcome.steps);
            }
            Err(report) => panic!("{report}"),
        }
    }
    println!("{SEEDS} seeds, {steps} steps\n{tally}");
    for fault in Fault::ALL {
        assert!(tally.count(*fault) >= AT_LEAST, "too seldom: {}", fault.name());
    }
}

#[test]
fn a_planted_bug_is_found() {
    for planted in Planted::ALL {
        let found = (0..WITHIN).find_map(|seed| {
            Some((seed, sim::run(&Plan::new(seed), Some(*planted), false).failure?))
        });
        let (seed, failure) = found.unwrap_or_else(|| panic!("{planted:?} is not found"));
        println!("{planted:?} is found by seed {seed}: {failure}");
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 0..500 {
        let plan = Plan::new(seed);
        assert_eq!(sim::run(&plan, None, true), sim::run(&Plan::new(seed), None, true));
    }
}

/// A report shows a smaller run that still fails.
#[test]
fn a_failure_is_shrunk() {
    let planted = Some(Planted::DirectorySyncSkipped);
    let report = (0..WITHIN).find_map(|seed| sim::check(seed, planted).err()).expect("a failure");
    let text = report.to_string();
    assert!(text.contains("an acknowledged version is lost after a power cut"), "{text}");
    assert!(text.contains("power cut"), "{text}");
    let published = ["Upload {", "Copy {"].map(|what| text.matches(what).count());
    assert_eq!(published.iter().sum::<usize>(), 1, "{text}");
    assert!(!text.contains("Download {"), "{text}");
}

/// Seeds that once failed because of a mistake in the product or in the simulator.
#[test]
fn seeds_that_failed_once_do_not_fail_again() {
    // A client resets its connection while a copy follows an upload that waits for its commit.
    for seed in [1845, 4560] {
        if let Err(report) = sim::check(seed, None) {
            panic!("{report}");
        }
    }
}
