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
