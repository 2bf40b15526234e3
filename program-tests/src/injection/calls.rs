//! The system calls of a server's and a client's main paths, and the errors that a kernel may return for them.
//!
//! Left out are calls whose failure the language's runtime treats as fatal (`mmap`, `brk`, `rt_sigaction`); calls that
//! do not fail (`futex`, `getrandom`); `close`, because an injected failure leaves open what a real one closes; and
//! `EAGAIN` of sockets, because a kernel that returns it reports later when to try again, and edge-triggered runtimes
//! wait for that. Also left out are the calls by which a runtime sets itself up (`epoll_create1`, `epoll_ctl`,
//! `eventfd2`, and `clone3` of a client): async-io panics when one of them fails, and Tokio when a worker cannot start,
//! which ends a program at its start with one line.

/// What a call works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touches {
    /// Files: the client always gets a reply.
    Files,
    /// The connection that carries the reply, which may end without one.
    Connection,
}

/// A call with the errors that it may return.
pub(super) type Call = (&'static str, Touches, &'static [&'static str]);

use Touches::{Connection, Files};

const OPEN: &[&str] =
    &["EMFILE", "ENFILE", "EACCES", "EIO", "ENOMEM", "ENOSPC", "EDQUOT", "EINTR", "EOPNOTSUPP"];
const WRITE: &[&str] = &["EIO", "ENOSPC", "EDQUOT", "EFBIG", "EINTR"];
const NAME: &[&str] = &["EIO", "ENOSPC", "EDQUOT", "EACCES", "ENOMEM", "EROFS"];
/// Also `EEXIST`, for a name that was free a moment ago.
const LINK: &[&str] = &["EIO", "ENOSPC", "EDQUOT", "EACCES", "ENOMEM", "EROFS", "EEXIST"];
const PIPE: &[&str] = &["EMFILE", "ENFILE", "ENOMEM"];
const RESERVE: &[&str] = &["ENOSPC", "EDQUOT", "EFBIG", "EOPNOTSUPP", "EINTR"];
/// From or to a file, or the socket.
const PASS: &[&str] = &["EIO", "ENOSPC", "ENOMEM", "EINVAL", "EINTR", "ECONNRESET"];
const SEND: &[&str] = &["ECONNRESET", "EPIPE", "ENOBUFS", "EINTR"];
const RECEIVE: &[&str] = &["ECONNRESET", "ETIMEDOUT", "ENOMEM", "EINTR"];

/// The calls of a server.
pub(super) const SERVER: &[Call] = &[
    ("openat", Files, OPEN),
    (
        "openat2",
        Files,
        &["EMFILE", "EACCES", "EIO", "ENOMEM", "EINTR", "EAGAIN", "ENOSPC", "EDQUOT"],
    ),
    ("statx", Files, &["EIO", "EACCES", "ENOMEM"]),
    ("pwrite64", Files, WRITE),
    ("pread64", Files, &["EIO", "EINTR"]),
    ("pipe2", Files, PIPE),
    ("fallocate", Files, RESERVE),
    ("splice", Connection, PASS),
    ("fcntl", Connection, &["EPERM", "EBUSY"]),
    ("fsync", Files, &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("syncfs", Files, &["EIO", "ENOSPC", "EDQUOT"]),
    ("fstatfs", Files, &["EIO", "ENOSYS"]),
    ("linkat", Files, LINK),
    ("renameat", Files, NAME),
    ("renameat2", Files, NAME),
    ("mkdirat", Files, NAME),
    ("unlinkat", Files, &["EIO", "EACCES"]),
    ("flock", Files, &["ENOLCK", "EINTR", "EAGAIN"]),
    ("getdents64", Files, &["EIO", "ENOMEM"]),
    ("utimensat", Files, &["EIO", "EACCES"]),
    ("fchmod", Files, &["EIO", "EPERM"]),
    ("faccessat2", Files, &["EIO", "EACCES"]),
    ("fadvise64", Files, &["EINVAL"]),
    ("accept4", Connection, &["EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR"]),
    ("setsockopt", Connection, &["ENOMEM", "EINVAL", "ENOPROTOOPT"]),
    ("socketpair", Connection, &["EMFILE", "ENFILE", "ENOMEM"]),
    ("clone3", Connection, &["EAGAIN", "ENOMEM"]),
    ("epoll_wait", Connection, &["EINTR"]),
    ("epoll_pwait", Connection, &["EINTR"]),
    ("ppoll", Connection, &["EINTR", "ENOMEM"]),
    ("read", Connection, RECEIVE),
    ("recvfrom", Connection, RECEIVE),
    ("sendmsg", Connection, SEND),
    ("sendto", Connection, SEND),
    ("writev", Connection, SEND),
    ("shutdown", Connection, &["ENOTCONN"]),
];

/// The calls of a client.
pub(super) const CLIENT: &[Call] = &[
    ("openat", Files, OPEN),
    ("read", Files, &["EIO", "EINTR"]),
    ("statx", Files, &["EIO", "EACCES", "ENOMEM"]),
    ("pwrite64", Files, WRITE),
    ("pread64", Files, &["EIO", "EINTR"]),
    ("pipe2", Files, PIPE),
    ("fallocate", Files, RESERVE),
    ("splice", Connection, PASS),
    ("fcntl", Connection, &["EPERM", "EBUSY"]),
    ("fstatfs", Files, &["EIO", "ENOSYS"]),
    ("linkat", Files, LINK),
    ("renameat", Files, NAME),
    ("renameat2", Files, NAME),
    ("utimensat", Files, &["EIO", "EACCES"]),
    ("fchmod", Files, &["EIO", "EPERM"]),
    ("faccessat2", Files, &["EIO", "EACCES"]),
    ("unlinkat", Files, &["EIO", "EACCES"]),
    ("socket", Connection, &["EMFILE", "ENFILE", "EACCES", "ENOBUFS"]),
    ("connect", Connection, &["ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EADDRNOTAVAIL"]),
    ("getsockopt", Connection, &["ENOBUFS"]),
    ("setsockopt", Connection, &["ENOMEM", "EINVAL", "ENOPROTOOPT"]),
    ("socketpair", Connection, &["EMFILE", "ENFILE", "ENOMEM"]),
    ("epoll_wait", Connection, &["EINTR"]),
    ("epoll_pwait", Connection, &["EINTR"]),
    ("ppoll", Connection, &["EINTR", "ENOMEM"]),
    ("recvfrom", Connection, RECEIVE),
    ("sendmsg", Connection, SEND),
    ("writev", Connection, SEND),
];
