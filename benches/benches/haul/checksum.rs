//! The checksum of every transfer, compared with memcpy of the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use haul_core::{Checksum, Hasher};

pub(crate) fn checksum(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    for size in [64_usize, 4 << 10, 256 << 10, 1 << 20] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
        let mut copy = vec![0; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("crc64nvme", size), &data, |b, data| {
            b.iter(|| {
                let mut hasher = Hasher::new();
                hasher.update(black_box(data));
                hasher.checksum()
            });
        });
        group.bench_with_input(BenchmarkId::new("memcpy", size), &data, |b, data| {
            b.iter(|| {
                copy.copy_from_slice(black_box(data));
                black_box(&copy);
            });
        });
    }
    let (first, second) = (Checksum::of(b"1234"), Checksum::of(b"56789"));
    group.throughput(Throughput::Elements(1));
    group.bench_function("combine", |b| {
        b.iter(|| black_box(first).combine(black_box(second), black_box(1 << 30)));
    });
    group.finish();
}
