//! `AUTH`: says who the client is, and proves it.
//!
//! Rules: R-AUTH-1, R-AUTH-2, R-AUTH-3.

use alloc::boxed::Box;
use alloc::string::ToString;
use core::fmt;

use super::client_exchange::{self, Preparation, Violation};
use super::grammar::{Verb, bad_argument, line_of, set};
use super::server_exchange::{End, Exchange, Handles, Reply, Turn, View};
use crate::account::{Proof, Secret, UserName};
use crate::effect::{Done, Effect, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::message::{LineError, Refusal, Summary};
use crate::request::Failure;
use crate::wire::words::{Quoted, Word, Words};

/// Seconds after which a client that has failed too often may connect again.
const RETRY_AFTER: u64 = 10;

/// The arguments of `AUTH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Who the client says they are.
    pub user: UserName,
    /// What shall prove it.
    pub proof: Proof,
}

impl Auth {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        Box::new(Asking(self))
    }
}

impl Verb for Auth {
    const NAMES: &'static [&'static str] = &["AUTH"];
    const HELP: &'static str = "AUTH user password=P | AUTH user invite=I - who you are";
    const NEEDS_IDENTITY: bool = false;

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        const FORM: &str = "a value of 1 to 1024 bytes";
        let (mut user, mut password, mut invite) = (None, None, None);
        for word in words {
            match word? {
                Word::Plain(_) if user.is_some() => return Err(bad_argument("one user is enough")),
                Word::Plain(text) => {
                    let name = UserName::parse(&text);
                    user = Some(name.map_err(|error| bad_argument(error.to_string()))?);
                }
                Word::Option { key: key @ "password", value } => {
                    set(&mut password, key, FORM, Secret::new(value.into_owned()))?;
                }
                Word::Option { key: key @ "invite", value } => {
                    set(&mut invite, key, FORM, Secret::new(value.into_owned()))?;
                }
                // It may be a part of a secret, so it is not repeated.
                Word::Option { .. } => return Err(bad_argument("AUTH has no such option")),
            }
        }
        let user = user.ok_or_else(|| bad_argument("AUTH needs the name of a user"))?;
        let proof = match (password, invite) {
            (Some(secret), None) => Proof::Password(secret),
            (None, Some(secret)) => Proof::Invite(secret),
            _ => return Err(bad_argument("AUTH needs password= or invite=, and one of them only")),
        };
        Ok(Self { user, proof })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, secret) = match &self.proof {
            Proof::Password(secret) => ("password", secret),
            Proof::Invite(secret) => ("invite", secret),
        };
        write!(f, " {} {key}={}", self.user, Quoted(secret.expose()))
    }

    fn without_secret(&self) -> Self {
        Self { user: self.user.clone(), proof: self.proof.withheld() }
    }

    fn serve(&self, _: RequestId, _: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving(self.clone()))
    }
}

/// The server's exchange.
#[derive(Debug)]
struct Serving(Auth);

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        if view.identification.is_known() {
            let reply = Reply::err(ErrorCode::Denied, "this connection has a user already");
            return Turn::End(reply.into());
        }
        let Auth { user, proof } = self.0.clone();
        Turn::Perform(Effect::Identify { id: view.id, user, proof })
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        let reply = match outcome {
            Ok(Done::Identified { user }) => {
                view.identification.succeeded();
                Reply::ok(Summary { user: Some(user), ..Summary::default() })
            }
            Ok(Done::NotIdentified) if view.identification.failed() => Reply::refused(Refusal {
                retry_after: Some(RETRY_AFTER),
                ..Refusal::new(ErrorCode::Busy, "that did not identify you, again; try later")
            }),
            Ok(Done::NotIdentified) => {
                Reply::err(ErrorCode::Unauthenticated, "that did not identify you")
            }
            Ok(_) => return None,
            Err(error) => Reply::failed(Work::Identify, error),
        };
        Some(reply.into())
    }
}

/// The client's exchange.
#[derive(Debug)]
struct Asking(Auth);

impl client_exchange::Exchange for Asking {
    fn prepare(&mut self, _: &mut client_exchange::View<'_>) -> Preparation {
        Preparation::Send(line_of(&self.0))
    }

    fn ok(
        &mut self,
        _: &mut client_exchange::View<'_>,
        summary: Summary,
    ) -> Result<Option<Result<Summary, Failure>>, Violation> {
        if summary.user.as_ref() == Some(&self.0.user) {
            Ok(Some(Ok(summary)))
        } else {
            Err(Violation("an OK names another user than the AUTH"))
        }
    }
}
