//! The whole table, written out once more.

use super::Action::{
    CancelAll, Close, Drop, Fault, Finish, GiveUp, Goodbye, Halt, Later, Refuse, Run, Skip, Take,
    TimeOut, Vanish,
};
use super::{Action, Input, Phase, decide};

const PHASES: [Phase; 4] = [Phase::Ready, Phase::Discarding, Phase::Busy, Phase::Body];

/// A row for each input; its actions stand in the order of [`PHASES`].
const TABLE: [(Input, [Action; 4]); 11] = [
    (Input::Command, [Run, Run, Later, Fault]),
    (Input::BadCommand, [Refuse, Refuse, Later, Fault]),
    (Input::Data, [Fault, Skip, Halt, Take]),
    (Input::End, [Fault, Drop, Halt, Finish]),
    (Input::Abort, [Drop, Drop, CancelAll, GiveUp]),
    (Input::Malformed, [Fault, Fault, Halt, Fault]),
    (Input::HangUp, [Close, Close, Later, Close]),
    (Input::Drain, [Goodbye, Goodbye, Later, Later]),
    (Input::GraceOver, [Goodbye, Goodbye, Goodbye, Goodbye]),
    (Input::Expired, [TimeOut, TimeOut, Vanish, TimeOut]),
    (Input::Broken, [Vanish, Vanish, Vanish, Vanish]),
];

/// Adding a variant without a row fails to compile here.
fn number(input: Input) -> usize {
    match input {
        Input::Command => 0,
        Input::BadCommand => 1,
        Input::Data => 2,
        Input::End => 3,
        Input::Abort => 4,
        Input::Malformed => 5,
        Input::HangUp => 6,
        Input::Drain => 7,
        Input::GraceOver => 8,
        Input::Expired => 9,
        Input::Broken => 10,
    }
}

#[test]
fn every_pair_is_decided_as_written() {
    for (row, (input, actions)) in TABLE.into_iter().enumerate() {
        assert_eq!(number(input), row);
        for (phase, action) in PHASES.into_iter().zip(actions) {
            assert_eq!(decide(phase, input), action, "{phase:?} with {input:?}");
        }
    }
}
