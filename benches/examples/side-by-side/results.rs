//! The results of the rows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::contender::{Kind, Metric, Row, Sample};
use crate::measure;

/// One contender of a row.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) shown: String,
    pub(crate) samples: Vec<Sample>,
    /// Why it did not complete.
    pub(crate) failure: Option<String>,
}

pub(crate) struct Results {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) note: String,
    pub(crate) entries: Vec<Entry>,
    /// The share of the machine's cores that other programs used meanwhile.
    pub(crate) disturbed: f64,
}

/// The minimum, median and maximum of some figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Entry {
    pub(crate) fn spread(&self, metric: Metric) -> Option<Spread> {
        let mut figures: Vec<f64> =
            self.samples.iter().filter_map(|sample| sample.get(&metric).copied()).collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        // An even number of figures has two in the middle.
        let median = f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Some(Spread { least, median, most })
    }

    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        self.spread(metric).map(|spread| spread.median)
    }
}

impl Results {
    /// Runs all contenders in turn, for this number of rounds, after one that does not count.
    pub(crate) fn of(row: Row<'_>, rounds: usize, stopped: &AtomicBool) -> Result<Self> {
        let Row { id, title, note, mut contenders, proxies } = row;
        eprintln!("{title}");
        let entry = |contender: &crate::contender::Contender<'_>| Entry {
            name: contender.name.clone(),
            kind: contender.kind,
            shown: contender.shown.clone(),
            samples: Vec::new(),
            failure: None,
        };
        let mut entries: Vec<Entry> = contenders.iter().map(entry).collect();
        let meter = measure::Disturbance::start()?;
        for round in 0..=rounds {
            for (contender, entry) in contenders.iter_mut().zip(&mut entries) {
                if stopped.load(Ordering::Relaxed) {
                    return Err("it was stopped".into());
                }
                if entry.failure.is_some() {
                    continue;
                }
                match (contender.run)() {
                    Ok(sample) if round > 0 => entry.samples.push(sample),
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("  {}: {error}", contender.name);
                        entry.failure = Some(error.to_string());
                    }
                }
            }
        }
        drop(proxies);
        let results = Self { id, title, note, entries, disturbed: meter.share()? };
        results.tell();
        Ok(results)
    }

    /// The metrics of its contenders, the main one first.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let samples = self.entries.iter().flat_map(|entry| &entry.samples);
        let metrics: BTreeSet<Metric> = samples.flat_map(|sample| sample.keys().copied()).collect();
        metrics.into_iter().collect()
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    fn tell(&self) {
        let Some(main) = self.metrics().first().copied() else { return };
        for entry in &self.entries {
            if let Some(spread) = entry.spread(main) {
                eprintln!("  {:28} {} {}", entry.name, crate::report::cell(spread), main.label());
            }
        }
    }
}
