//! Many requests under way on one connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;

use haul_core::client::{ClientEvent, Failure, Request};
use haul_core::message::Summary;
use haul_core::{ErrorCode, Mode};
use haul_store::ClientFiles;
use haul_transport::{Call, ServerOptions};

use super::running::{list, serve};
use super::transport::{Cancel, Client, ClientOptions};
use crate::blocking::Calls as _;
use crate::support::{Share, path, payload, source, target};

const MANY: usize = 300;
const LARGE: usize = 8 << 20;

/// The outcome of each request, by its name.
type Outcomes = RefCell<HashMap<String, Result<Summary, Failure>>>;

fn up(mine: &Share, name: &str) -> (Request, ClientFiles) {
    let request = Request::Upload { path: path(name), mode: Mode::Create, if_match: None };
    (request, ClientFiles::Source(source(mine, name)))
}

fn down(mine: &Share, name: &str) -> (Request, ClientFiles) {
    let request =
        Request::Download { path: path(name), offset: 0, length: None, mode: Mode::Create, if_match: None };
    (request, ClientFiles::Target(target(mine, name)))
}

type Noted<'a> = Call<Box<dyn FnMut(&ClientEvent) -> ControlFlow<()> + 'a>>;

/// Records the outcome of a request. `on_progress` may cancel it.
fn noted<'a>(
    outcomes: &'a Outcomes,
    name: &str,
    (request, files): (Request, ClientFiles),
    mut on_progress: impl FnMut() -> ControlFlow<()> + 'a,
) -> Noted<'a> {
    let name = name.to_owned();
    let watch = move |event: &ClientEvent| match event {
        ClientEvent::Progress { .. } => on_progress(),
        ClientEvent::Finished { result, .. } => {
            assert!(outcomes.borrow_mut().insert(name.clone(), result.clone()).is_none(), "twice");
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    };
    Call { request, files, watch: Box::new(watch) }
}

fn small() -> Vec<String> {
    (0..MANY).map(|number| format!("{}/{number}", number % 7)).collect()
}

#[test]
fn many_files_go_up_and_come_back() {
    let (share, mine, back) = (Share::new(), Share::new(), Share::new());
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    let names = small();
    for number in 0..7 {
        std::fs::create_dir(back.path().join(number.to_string())).unwrap();
        std::fs::create_dir(mine.path().join(number.to_string())).unwrap();
    }
    for (number, name) in names.iter().enumerate() {
        mine.write(name, &payload(number * 17));
    }
    for _ in 0..2 {
        let outcomes = Outcomes::default();
        let go_on = || ControlFlow::Continue(());
        let calls = names.iter().map(|name| noted(&outcomes, name, up(&mine, name), go_on));
        client.run(calls).unwrap();
        let outcomes = outcomes.into_inner();
        assert_eq!(outcomes.len(), MANY);
        // The second time they exist.
        for (name, outcome) in &outcomes {
            assert!(share.read(name) == mine.read(name));
            if let Err(failure) = outcome {
                let Failure::Refused(refusal) = failure else { panic!("{name}: {failure}") };
                assert_eq!(refusal.code(), Some(ErrorCode::Exists));
            }
        }
    }
    let outcomes = Outcomes::default();
    let go_on = || ControlFlow::Continue(());
    let calls = names.iter().map(|name| noted(&outcomes, name, down(&back, name), go_on));
    client.run(calls).unwrap();
    let outcomes = outcomes.into_inner();
    assert!(outcomes.len() == MANY && outcomes.values().all(Result::is_ok));
    assert!(names.iter().all(|name| back.read(name) == mine.read(name)));
    client.exit().unwrap();
}

/// An `ABORT` also hits the requests behind it. They are sent again, and their targets begin anew.
#[test]
fn one_that_is_broken_off_stops_no_other() {
    let (share, back) = (Share::new(), Share::new());
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        share.write(name, &payload(LARGE));
    }
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    let outcomes = Outcomes::default();
    let calls = names.map(|name| {
        let on_progress = move || match name {
            "a" | "c" => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        noted(&outcomes, name, down(&back, name), on_progress)
    });
    client.run(calls).unwrap();
    let outcomes = outcomes.into_inner();
    for name in names {
        match name {
            "a" | "c" => assert_eq!(outcomes[name], Err(Failure::Cancelled)),
            _ => assert!(back.read(name) == payload(LARGE), "{name}"),
        }
    }
    assert_eq!(back.files().len(), 3);
    assert_eq!(list(&mut client).unwrap().entries, Some(5));
}

/// Large files are moved where work may block, and small ones where the connection is driven.
#[test]
fn no_more_calls_run_than_asked_for() {
    let (share, back) = (Share::new(), Share::new());
    for number in 0..20 {
        share.write(&number.to_string(), &payload(if number % 3 == 0 { LARGE } else { 5 }));
    }
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    for most in [1, 3] {
        let (outcomes, taken, highest) = (Outcomes::default(), Cell::new(0), Cell::new(0));
        let calls = (0..20).map(|number| {
            taken.set(taken.get() + 1);
            highest.set(highest.get().max(taken.get() - outcomes.borrow().len()));
            let name = number.to_string();
            let (request, _) = down(&back, &name);
            let files = down(&back, &format!("{most} {name}")).1;
            noted(&outcomes, &name, (request, files), || ControlFlow::Continue(()))
        });
        client.run_at_most(most, calls).unwrap();
        let outcomes = outcomes.into_inner();
        assert!(outcomes.len() == 20 && outcomes.values().all(Result::is_ok));
        assert_eq!(highest.get(), most);
    }
}

#[test]
fn a_cancel_ends_all_and_takes_no_more() {
    let (share, back) = (Share::new(), Share::new());
    for number in 0..9 {
        share.write(&number.to_string(), &payload(LARGE));
    }
    let server = serve(&share, ServerOptions::default());
    let cancel = Cancel::new();
    let options = ClientOptions { cancel: Some(cancel.clone()), ..ClientOptions::default() };
    let mut client = Client::connect(server.address, options).unwrap();
    let (outcomes, taken) = (Outcomes::default(), Cell::new(0));
    let calls = (0_usize..).map(|number| {
        taken.set(taken.get() + 1);
        let (name, from) = (number.to_string(), (number % 9).to_string());
        let (mut request, files) = down(&back, &name);
        if let Request::Download { path: asked, .. } = &mut request {
            *asked = path(&from);
        }
        let cancel = &cancel;
        noted(&outcomes, &name, (request, files), move || {
            cancel.cancel();
            ControlFlow::Continue(())
        })
    });
    assert_eq!(client.run(calls), Err(Failure::Cancelled));
    let outcomes = outcomes.into_inner();
    assert!(taken.get() < 1000, "{} were taken", taken.get());
    assert_eq!(outcomes.len(), taken.get());
    assert!(outcomes.values().filter(|outcome| outcome.is_ok()).count() <= 1);
    assert!(!cancel.is_raised());
    assert_eq!(list(&mut client).unwrap().entries, Some(9));
}

#[test]
fn after_a_lost_connection_no_more_are_taken() {
    let (share, back) = (Share::new(), Share::new());
    share.write("large", &payload(LARGE));
    let server = serve(&share, ServerOptions::default());
    let mut client = server.client();
    let (outcomes, taken) = (Outcomes::default(), Cell::new(0));
    let server = RefCell::new(Some(server));
    let calls = (0_usize..).map(|number| {
        taken.set(taken.get() + 1);
        let name = number.to_string();
        let (mut request, files) = down(&back, &name);
        if let Request::Download { path: asked, .. } = &mut request {
            *asked = path("large");
        }
        let server = &server;
        noted(&outcomes, &name, (request, files), move || {
            // Dropping it ends the sessions by force.
            drop(server.borrow_mut().take());
            ControlFlow::Continue(())
        })
    });
    client.run(calls).unwrap_err();
    let outcomes = outcomes.into_inner();
    assert!(taken.get() < 1000 && outcomes.len() == taken.get(), "{} were taken", taken.get());
    let left = &mut (0..9).map(|_| -> Call<fn(&ClientEvent) -> ControlFlow<()>> { panic!("taken") });
    client.run(left).unwrap_err();
}
