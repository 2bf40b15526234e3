//! `whoami`: who the server takes this client for, and what it may do there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::Args;
use haul_core::Escaped;
use haul_core::account::{Grant, Right, UserName};
use haul_core::client::{ClientEvent, Request};
use haul_core::message::Summary;
use haul_store::ClientFiles;
use haul_transport::{Call, Watch};
use indicatif::BinaryBytes;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// Show who the server takes you for, and what you may do there
///
/// Each line after the first is a directory, with your rights in it and below, down to the next directory that has a
/// line. `.` is the directory that all names are relative to.
#[derive(Debug, Args)]
pub(crate) struct WhoAmIArgs {}

/// What the root of a view is written as.
const ROOT: &str = ".";

/// The result for programs.
#[derive(Debug, Serialize)]
struct WhoAmIRecord<'a> {
    server: &'a str,
    user: Option<&'a str>,
    grants: BTreeMap<&'a str, Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, _: &WhoAmIArgs) -> Result<(), Error> {
    app.choose_server()?;
    let call =
        Call { request: Request::WhoAmI, files: ClientFiles::Nothing, watch: Grants::default() };
    let (grants, summary) = app.request("WHOAMI", call)?;
    let server = app.server.bare().to_string();
    let grants: Vec<_> = grants
        .iter()
        .map(|Grant { path, rights }| (path.as_ref().map_or(ROOT, |path| path.as_str()), *rights))
        .collect();
    if app.settings.json {
        let words =
            grants.iter().map(|(path, rights)| (*path, rights.iter().map(Right::as_str).collect()));
        let record = WhoAmIRecord {
            server: &server,
            user: summary.user.as_ref().map(UserName::as_str),
            grants: words.collect(),
            quota: summary.quota.map(|quota| quota.limit),
            used: summary.quota.map(|quota| quota.used),
        };
        return app.answer("", &record);
    }
    app.print(match &summary.user {
        Some(user) => format!("{user} at {server}"),
        None => format!("nobody at {server}, which has no accounts"),
    })?;
    let shown: Vec<_> =
        grants.iter().map(|(path, rights)| (Escaped::new(path).to_string(), rights)).collect();
    let width = shown.iter().map(|(path, _)| path.width()).max().unwrap_or_default();
    for (path, rights) in shown {
        let space = " ".repeat(width - path.width());
        app.print(format_args!("  {path}{space}  {rights}"))?;
    }
    match summary.quota {
        Some(quota) => {
            let (used, limit) = (BinaryBytes(quota.used), BinaryBytes(quota.limit));
            app.print(format_args!("{used} of {limit} used"))
        }
        None => Ok(()),
    }
}

/// Collects the mounts of the user.
#[derive(Default)]
struct Grants(Vec<Grant>);

impl Watch for Grants {
    type Output = (Vec<Grant>, Summary);

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        if let ClientEvent::Grant { grant, .. } = event {
            self.0.push(grant.clone());
        }
        ControlFlow::Continue(())
    }

    fn output(self, summary: Summary) -> Self::Output {
        (self.0, summary)
    }
}
