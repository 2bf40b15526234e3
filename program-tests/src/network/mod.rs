//! Clients and servers with a bad network between them, or with too little of some resource.

mod counts;
mod cuts;
mod flips;
mod interrupts;
mod limits;
mod losses;
mod namespaces;
mod operations;
mod rig;
mod wire;

pub use cuts::*;
pub use flips::*;
pub use interrupts::*;
pub(crate) use limits::Small;
pub use limits::*;
pub use losses::*;
pub use operations::*;
