//! The sizes of reads and writes.

/// How the bytes of a connection are cut. The sizes are repeated again and again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// The name in reports.
    pub(crate) name: &'static str,
    /// The bytes that one write of the client takes.
    pub(crate) client_writes: &'static [usize],
    /// The bytes that one read of the client gets.
    pub(crate) client_reads: &'static [usize],
    /// The bytes that one read of the server gets. Not for servers over sockets.
    pub(crate) server_reads: &'static [usize],
    /// The bytes that one write of the server takes. Not for servers over sockets.
    pub(crate) server_writes: &'static [usize],
    /// The capacity of each direction, in bytes. Not for servers over sockets.
    pub(crate) pipe: usize,
}

const ALL: usize = usize::MAX;

/// The schedules of the in-memory connection.
pub(crate) const IN_MEMORY: &[Schedule] = &[
    Schedule::new("everything at once", &[ALL], &[ALL], &[ALL], &[ALL], 1 << 16),
    Schedule::new("one byte in a pipe of one", &[1], &[1], &[1], &[1], 1),
    Schedule::new("the server reads one byte", &[ALL], &[ALL], &[1], &[ALL], 1 << 16),
    Schedule::new("the server reads two bytes", &[ALL], &[ALL], &[2], &[ALL], 1 << 16),
    Schedule::new("the server reads three bytes", &[ALL], &[7], &[3], &[5], 1 << 16),
    Schedule::new("the server reads seven bytes", &[ALL], &[ALL], &[7], &[ALL], 4096),
    Schedule::new("the server reads 61 bytes", &[ALL], &[61], &[61], &[61], 1009),
    Schedule::new("the server writes one byte", &[ALL], &[ALL], &[ALL], &[1], 1 << 16),
    Schedule::new("the server writes few bytes", &[ALL], &[3], &[ALL], &[1, 2, 5], 17),
    Schedule::new("the client drips", &[1], &[ALL], &[ALL], &[ALL], 1 << 16),
    Schedule::new("the client writes two bytes", &[2], &[1], &[ALL], &[3], 5),
    Schedule::new(
        "lines are cut everywhere",
        &[1, 4095, 2, 97],
        &[2, 4096],
        &[4096, 1, 11],
        &[13, 1, 65_536],
        4099,
    ),
    Schedule::new("a narrow pipe", &[ALL], &[ALL], &[ALL], &[ALL], 3),
    Schedule::new("pages", &[4096], &[4096], &[4096], &[4096], 8192),
    Schedule::new("primes", &[31, 3, 257], &[127, 1, 8191], &[19, 5, 4093], &[2, 509], 2053),
];

/// The schedules of a client over sockets.
pub(crate) const OVER_SOCKETS: &[Schedule] = &[
    Schedule::over_sockets("everything at once", &[ALL], &[ALL]),
    Schedule::over_sockets("one byte", &[1], &[1, 1, 1, 65_536]),
    Schedule::over_sockets("few bytes", &[3, 1, 7], &[7, 65_536]),
    Schedule::over_sockets("lines are cut everywhere", &[1, 4095, 2, 97], &[2, 4096, 65_536]),
];

impl Schedule {
    const fn new(
        name: &'static str,
        client_writes: &'static [usize],
        client_reads: &'static [usize],
        server_reads: &'static [usize],
        server_writes: &'static [usize],
        pipe: usize,
    ) -> Self {
        Self { name, client_writes, client_reads, server_reads, server_writes, pipe }
    }

    const fn over_sockets(
        name: &'static str,
        client_writes: &'static [usize],
        client_reads: &'static [usize],
    ) -> Self {
        Self::new(name, client_writes, client_reads, &[ALL], &[ALL], ALL)
    }
}

/// An iterator over the sizes of one kind of read or write.
#[derive(Debug)]
pub(crate) struct Sizes {
    sizes: &'static [usize],
    next: usize,
}

impl Sizes {
    pub(crate) fn new(sizes: &'static [usize]) -> Self {
        Self { sizes, next: 0 }
    }

    /// The next size, at most `most`.
    pub(crate) fn next(&mut self, most: usize) -> usize {
        let size = self.sizes[self.next % self.sizes.len()];
        self.next += 1;
        size.min(most)
    }
}
