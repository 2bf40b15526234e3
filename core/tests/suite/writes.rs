//! Asynchronous writes: the bytes of a running write stay queued, whatever ends the wait for it.

use std::time::Duration;

use haul_core::client::Request;
use haul_core::server::Server;
use haul_core::{Machine, Mode, Output};
use haul_harness::{Choices, Files};
use proptest::prelude::*;

use crate::joined::{Setup, local, path};
use crate::sessions::{config, ops, session, shared};
use crate::strategies::{choices, few_cases};

/// Drives `machine` with operations that write the bytes that they got at first. `meddle` is called while one is
/// running, and then time passes. Returns how often the machine requested a write that was already running.
fn drive<M: Machine>(
    machine: &mut M,
    files: &mut impl Files,
    mut input: &[u8],
    choices: &[u8],
    mut meddle: impl FnMut(&mut M, Duration),
) -> usize {
    let mut choices = Choices::new(choices);
    let (mut now, mut under_way, mut again) = (Duration::ZERO, None, 0);
    loop {
        match machine.poll(now) {
            Output::Read(_) => {
                let count = input.len().min(machine.read_space().len());
                let part = input.split_off(..count).expect("it is as long");
                machine.read_space()[..count].copy_from_slice(part);
                machine.received(count)
            }
            Output::Write(segments) => {
                let asked: Vec<u8> = segments.iter().flatten().copied().collect();
                assert_eq!(segments.to_bytes().collect::<Vec<_>>().concat(), asked);
                again += usize::from(under_way.is_some());
                let held = under_way.get_or_insert_with(|| asked.clone());
                assert!(asked.starts_with(held), "what is being written is asked for no more");
                if choices.flip() {
                    meddle(machine, now);
                    now += Duration::from_secs(choices.size(20) as u64);
                    continue;
                }
                let count = choices.size(held.len());
                under_way = None;
                machine.sent(count)
            }
            Output::Perform(effect) => {
                let outcome = files.perform(effect);
                machine.performed(outcome)
            }
            Output::Event(_) => machine.acknowledge(),
            Output::CloseWrite => machine.write_closed(),
            Output::Receive { .. } | Output::Send { .. } => unreachable!("it is off"),
            Output::Closed => return again,
        }
        .expect("the report is right");
    }
}

proptest! {
    #![proptest_config(few_cases())]

    #[test]
    fn of_a_server_that_is_told_to_stop(ops in ops(), choices in choices(), chunk in 100..70_000_usize, grace in 0..100_u64) {
        let mut stop = Choices::new(&choices);
        drive(&mut Server::new(config(chunk)), &mut shared(), &session(&ops), &choices, |server, now| {
            if stop.flip() {
                server.shut_down(now + Duration::from_secs(grace));
            }
        });
    }

    #[test]
    fn of_a_client_that_changes_its_mind(choices in choices()) {
        let setup = Setup::plain(choices.clone());
        let mut client = setup.client();
        let upload = || Request::Upload { path: path("large"), mode: Mode::Replace, if_match: None };
        let id = client.request(upload());
        client.request(upload());
        let input = b"HAUL/1 \"\" max-data=9000 pipeline=64\r\nREADY\r\n";
        let mut cancel = Choices::new(&choices);
        drive(&mut client, &mut local(), input, &choices, |client, _| {
            if cancel.flip() {
                client.cancel(id);
            }
        });
    }
}

#[test]
fn the_wait_for_a_write_can_end_early() {
    let drained = |server: &mut Server, now| server.shut_down(now);
    let again = drive(
        &mut Server::new(config(9000)),
        &mut shared(),
        b"DOWNLOAD photos/sea.jpg\n",
        &[0, 1],
        drained,
    );
    assert!(again > 0);
}
