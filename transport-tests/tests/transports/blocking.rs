//! Makes the async transports blocking ones, so that one set of tests serves all.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use haul_core::client::{Failure, Progress};
use haul_core::message::{Greeting, Summary};
use haul_core::{Entry, FilePath, Mode};
use haul_store::{Source, StoreProvider, Target};
use haul_transport::{
    Call, ClientOptions, ConnectError, DownloadOptions, Layer, ListOptions, Runtime, Security,
    ServerHandle, ServerOptions, Watch, call,
};

/// A runtime that a thread can wait on.
pub(crate) trait BlockOn: 'static {
    type Runtime: Runtime;

    fn block_on<T>(future: impl Future<Output = T>) -> T;
}

/// Tokio with threads of its own.
#[derive(Debug)]
pub(crate) struct OnTokio;

impl BlockOn for OnTokio {
    type Runtime = haul_tokio::Tokio;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        static RUNTIME: LazyLock<::tokio::runtime::Runtime> =
            LazyLock::new(|| ::tokio::runtime::Runtime::new().unwrap());
        RUNTIME.block_on(future)
    }
}

/// async-std.
#[derive(Debug)]
pub(crate) struct OnAsyncStd;

impl BlockOn for OnAsyncStd {
    type Runtime = haul_async_std::AsyncStd;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        ::async_std::task::block_on(future)
    }
}

pub(crate) struct Server<B: BlockOn, S> {
    inner: haul_transport::Server<B::Runtime, S>,
    executor: PhantomData<B>,
}

impl<B: BlockOn, S: StoreProvider> Server<B, S> {
    pub(crate) fn bind(
        address: impl ToSocketAddrs + Send + 'static,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let inner = B::block_on(haul_transport::Server::bind(address, store, options))?;
        Ok(Self { inner, executor: PhantomData })
    }

    pub(crate) fn bind_layered(
        names: impl IntoIterator<Item = (impl ToSocketAddrs, Option<Layer>)> + Send + 'static,
        store: Arc<S>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let inner = B::block_on(haul_transport::Server::bind_layered(names, store, options))?;
        Ok(Self { inner, executor: PhantomData })
    }

    pub(crate) fn layered_addrs(&self) -> impl Iterator<Item = (SocketAddr, Option<&Layer>)> {
        self.inner.layered_addrs()
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    pub(crate) fn handle(&self) -> ServerHandle {
        self.inner.handle()
    }

    pub(crate) fn run(self) {
        B::block_on(self.inner.run());
    }
}

pub(crate) struct Client<B: BlockOn> {
    inner: haul_transport::Client<B::Runtime>,
    executor: PhantomData<B>,
}

impl<B: BlockOn> Client<B> {
    pub(crate) fn connect(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let inner = B::block_on(haul_transport::Client::connect(address, options))?;
        Ok(Self { inner, executor: PhantomData })
    }

    pub(crate) fn greeting(&self) -> Option<&Greeting> {
        self.inner.greeting()
    }

    pub(crate) fn security(&self) -> Security {
        self.inner.security()
    }

    pub(crate) fn leave(self) -> Result<(), Failure> {
        B::block_on(self.inner.leave())
    }

    pub(crate) fn run<W: Watch>(
        &mut self,
        calls: impl IntoIterator<Item = Call<W>>,
    ) -> Result<(), Failure> {
        B::block_on(self.inner.run(calls))
    }

    pub(crate) fn run_at_most<W: Watch>(
        &mut self,
        most: usize,
        calls: impl IntoIterator<Item = Call<W>>,
    ) -> Result<(), Failure> {
        B::block_on(self.inner.run_at_most(most, calls))
    }
}

/// The calls of any client that blocks.
pub(crate) trait Calls: Sized {
    fn call<W: Watch>(&mut self, call: Call<W>) -> Result<W::Output, Failure>;

    fn list(
        &mut self,
        path: Option<&FilePath>,
        options: ListOptions,
        on_entry: impl FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::list(path, options, on_entry))
    }

    fn download(
        &mut self,
        path: &FilePath,
        options: DownloadOptions,
        target: Box<dyn Target>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::download(path, options, target, on_progress))
    }

    fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        source: Box<dyn Source>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.call(call::upload(path, mode, source, on_progress))
    }

    fn help(&mut self) -> Result<Vec<String>, Failure> {
        self.call(call::help())
    }

    fn exit(mut self) -> Result<(), Failure> {
        self.call(call::exit()).map(drop)
    }
}

impl<B: BlockOn> Calls for Client<B> {
    fn call<W: Watch>(&mut self, call: Call<W>) -> Result<W::Output, Failure> {
        B::block_on(self.inner.call(call))
    }
}

impl Calls for haul_std::Client {
    fn call<W: Watch>(&mut self, call: Call<W>) -> Result<W::Output, Failure> {
        self.call(call)
    }
}

impl<B: BlockOn> fmt::Debug for Client<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

pub(crate) mod tokio {
    pub(crate) type Server<S> = super::Server<super::OnTokio, S>;
    pub(crate) type Client = super::Client<super::OnTokio>;
    pub(crate) use haul_tokio::{Cancel, ClientOptions, ServerHandle};
}

pub(crate) mod async_std {
    pub(crate) type Server<S> = super::Server<super::OnAsyncStd, S>;
    pub(crate) type Client = super::Client<super::OnAsyncStd>;
    pub(crate) use haul_async_std::{Cancel, ClientOptions, ServerHandle};
}
