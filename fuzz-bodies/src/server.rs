//! A server against a client that sends anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haul_core::Command;
use haul_core::message::{Refusal, Summary};
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::verb::Upload;
use haul_core::{Checksum, ErrorCode, Limits};
use haul_harness::{ContractChecker, MemoryFiles, Run, Single};

use crate::Seed;
use crate::bounded::Bounded;
use crate::transcript;

/// A line of a listing is shorter than this.
const LISTED: usize = 3 << 10;

/// How long running commands may go on after the server was told to shut down.
const GRACE: Duration = Duration::from_secs(20);

/// The client sends what follows the [`Seed`].
///
/// # Panics
/// When the server does not end, buffers too much, leaves something open or staged, does not reply to each command
/// exactly once and in order, acknowledges what is not published like that, or replies differently when the same bytes
/// come at once.
pub fn server(data: &[u8]) {
    let Some((seed, input)) = Seed::split(data) else { return };
    let config = ServerConfig {
        limits: seed.limits(),
        durable: seed.durable(),
        pass_through: seed.pass_through(),
        ..ServerConfig::default()
    };
    let config = Arc::new(config);
    let mut files = shared(&config).with_faults(seed.faults());
    let run = play(&seed.single(input), seed, &config, &mut files);
    assert!(run.over, "it waits for ever");
    assert!(!files.has_open(), "something is left open");
    check_replies(&run);
    check_receipts(&run.events, &shared(&config), &files);
    // What an ABORT cancels depends on when it comes.
    let timeless = !input.to_ascii_uppercase().windows(5).any(|word| word == b"ABORT");
    if seed.only_cuts() && timeless {
        let mut untouched = shared(&config);
        let whole = play(&Single::new(input), seed, &config, &mut untouched);
        assert_eq!(run.text(), whole.text(), "another cut, another answer");
        assert_eq!(files.all(), untouched.all(), "another cut, other files");
    }
}

fn shared(config: &ServerConfig) -> MemoryFiles {
    let pattern = (0..250).collect::<Vec<u8>>().repeat(12);
    MemoryFiles::new(config.durable)
        .with_file("notes.txt", b"hello world\n".as_slice())
        .with_file("empty", Vec::new())
        .with_file("photos/the sea.jpg", pattern)
}

fn play(
    single: &Single<'_>,
    seed: Seed,
    config: &Arc<ServerConfig>,
    files: &mut MemoryFiles,
) -> Run<ServerEvent> {
    let limits = &config.limits;
    let mut server = Bounded {
        machine: Server::new(Arc::clone(config)),
        incoming: limits.chunk + Limits::MAX_PIPELINED_BYTES,
        outgoing: Limits::HIGH_WATER
            + Limits::MAX_LINE
            + limits.chunk.max(limits.list_batch * LISTED),
    };
    let stop = |server: &mut Bounded<Server>, step| {
        if seed.interferes_at(step) {
            server.machine.shut_down(GRACE);
        }
    };
    if seed.checks_contract() {
        single.play_with(&mut ContractChecker(server), files, |checked, _, step| {
            stop(&mut checked.0, step);
        })
    } else {
        single.play_with(&mut server, files, |server, _, step| stop(server, step))
    }
}

/// Every command gets one reply, in order, and its event agrees.
fn check_replies(run: &Run<ServerEvent>) {
    let mut told: Vec<Result<Summary, Refusal>> = Vec::new();
    let mut vanished = false;
    let mut commands = 0;
    for event in &run.events {
        match event {
            ServerEvent::Answered { id, reply, .. } => {
                commands += 1;
                assert_eq!(id.0, commands, "commands are counted from 1");
                told.push(reply.clone());
            }
            ServerEvent::CutOff { refusal, .. } => told.push(Err(refusal.clone())),
            ServerEvent::Disconnected { .. } => vanished = true,
        }
    }
    let sent = transcript::replies(&run.output);
    assert!(told.starts_with(&sent), "{sent:?} was sent, {told:?} was told");
    let broken = vanished || sent.len() < told.len() && run.now > Duration::ZERO;
    assert!(
        broken || sent.len() == told.len(),
        "a reply is missing: {sent:?} was sent, {told:?} was told"
    );
}

/// What was acknowledged is there, and nothing else was published.
fn check_receipts(events: &[ServerEvent], before: &MemoryFiles, files: &MemoryFiles) {
    let mut receipts = BTreeMap::new();
    for event in events {
        let ServerEvent::Answered {
            command: Some(Command::Upload(Upload { path, .. })),
            reply,
            ..
        } = event
        else {
            continue;
        };
        match reply {
            Ok(summary) => {
                receipts.insert(path, Some((summary.size, summary.checksum)));
            }
            Err(refusal) if refusal.code() == Some(ErrorCode::OutcomeUnknown) => {
                receipts.insert(path, None);
            }
            Err(_) => {}
        }
    }
    for (name, data) in files.all() {
        let known =
            before.file(&name) == Some(&data) || receipts.keys().any(|path| path.as_str() == name);
        assert!(known, "{name:?} was published and not acknowledged");
    }
    for (path, receipt) in receipts {
        let data = files.file(path.as_str()).expect("what was acknowledged is there");
        if let Some(receipt) = receipt {
            assert_eq!(receipt, (Some(data.len() as u64), Some(Checksum::of(data))));
        }
    }
}
