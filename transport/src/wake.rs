//! What ends waits from outside.

use std::io;

/// A flag that ends the waits of a transport while it is raised. Any thread may raise it.
pub trait Wake: Sized + Send + Sync + 'static {
    /// A flag that is down.
    fn new() -> io::Result<Self>;

    /// Raises the flag.
    fn raise(&self);

    /// Whether it is raised.
    fn is_raised(&self) -> bool;

    /// Lowers the flag.
    fn lower(&self);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// One that ends no wait.
    pub(crate) struct Flag(AtomicBool);

    impl Wake for Flag {
        fn new() -> io::Result<Self> {
            Ok(Self(AtomicBool::new(false)))
        }

        fn raise(&self) {
            self.0.store(true, Ordering::SeqCst);
        }

        fn is_raised(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }

        fn lower(&self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }
}
