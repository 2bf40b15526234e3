//! A client that waits for each of its requests.

use std::net::ToSocketAddrs;

use haul_core::client::Failure;
use haul_core::message::Greeting;
use haul_transport::{Call, ClientOptions, ConnectError, Security, Watch};

use crate::{Std, block_on};

/// A connection to a server: [`haul_transport::Client`] for callers that block.
#[derive(Debug)]
pub struct Client(haul_transport::Client<Std>);

impl Client {
    /// Connects to the address that answers first, of all that the name has, and waits for the greeting.
    pub fn connect(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        block_on(haul_transport::Client::connect(address, options)).map(Self)
    }

    /// What the server said first: see [`haul_transport::Client::greeting`].
    pub fn greeting(&self) -> Option<&Greeting> {
        self.0.greeting()
    }

    /// What is known about the server and the channel.
    pub fn security(&self) -> Security {
        self.0.security()
    }

    /// Makes a request, and waits until it is over.
    pub fn call<W: Watch>(&mut self, call: Call<W>) -> Result<W::Output, Failure> {
        block_on(self.0.call(call))
    }

    /// Makes many requests as the protocol allows, and waits until they are over: see [`haul_transport::Client::run`].
    pub fn run<W: Watch>(
        &mut self,
        calls: impl IntoIterator<Item = Call<W>>,
    ) -> Result<(), Failure> {
        block_on(self.0.run(calls))
    }

    /// Makes many requests, no more than `most` at a time: see [`haul_transport::Client::run_at_most`].
    pub fn run_at_most<W: Watch>(
        &mut self,
        most: usize,
        calls: impl IntoIterator<Item = Call<W>>,
    ) -> Result<(), Failure> {
        block_on(self.0.run_at_most(most, calls))
    }

    /// Ends the session without waiting for the server's goodbye: see [`haul_transport::Client::leave`].
    ///
    /// # Errors
    /// If the connection was lost before, or the server takes nothing.
    pub fn leave(self) -> Result<(), Failure> {
        block_on(self.0.leave())
    }
}
