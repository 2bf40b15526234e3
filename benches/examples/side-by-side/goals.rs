//! The goals, as ratios within one run.

use crate::contender::Kind;
use crate::contender::Metric::{
    self, CpuPerGigabyte, FirstLine, PerConnection, PerSecond, Seconds, ServerGrowth, Throughput,
};
use crate::haul::PROGRAMS;
use crate::report::short;
use crate::results::{Entry, Results};

/// How far a program is from a goal.
#[derive(Clone)]
pub(crate) struct Verdict {
    pub(crate) figure: String,
    pub(crate) reached: bool,
}

/// A goal, and the verdict on each program.
type Judged = (String, [Option<Verdict>; 3]);

/// Evaluates the goals of the rows that were run.
pub(crate) fn judge(rows: &[Results]) -> Vec<Judged> {
    let row = |id: &str| rows.iter().find(|row| row.id == id);
    let of = |id, judge: fn(&Results) -> Vec<Judged>| row(id).map(judge).unwrap_or_default();
    [
        of("down", |row| bulk(row, "One file down, verified")),
        of("up", |row| bulk(row, "One file up, verified, not synced")),
        of("durable", |row| {
            let copied = best(row.of_kind(Kind::Local), Throughput);
            let goal = "One file up, verified and durable: ≥ 0.9 × cp + sync";
            vec![against(goal, row, Throughput, copied, 0.9)]
        }),
        of("small-down", |row| small(row, "10,000 files down")),
        of("small-up", |row| small(row, "10,000 files up, not synced")),
        of("small-durable", |row| vec![group_commit(row)]),
        of("list", |row| {
            let found = best(row.of_kind(Kind::Local), Seconds);
            vec![
                bounded("LIST of 1,000,000: first line ≤ 10 ms", row, FirstLine, 10.0),
                against("LIST of 1,000,000: whole ≤ 2 × find", row, Seconds, found, 2.0),
                bounded("LIST of 1,000,000: server grows ≤ 4 MiB", row, ServerGrowth, 4.0),
            ]
        }),
        of("idle", |row| {
            vec![bounded("10,000 idle: ≤ 8 KiB each (Tokio)", row, PerConnection, 8.0)]
        }),
        of("slow-down", |row| vec![link("One file down, 50 ms away", row)]),
        of("slow-up", |row| vec![link("One file up, 50 ms away", row)]),
        of("slow-small", |row| {
            let rsyncd = named(row, "rsyncd", Seconds);
            vec![against("1,000 files, 50 ms away: ≤ 1 × rsyncd", row, Seconds, rsyncd, 1.0)]
        }),
        of("parse", parse),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn bulk(row: &Results, work: &str) -> Vec<Judged> {
    let peers = |metric| best(row.of_kind(Kind::Peer), metric);
    let (fastest, cheapest) = (peers(Throughput), peers(CpuPerGigabyte));
    let bare = best(row.of_kind(Kind::Bare), Throughput);
    let haul = row.of_kind(Kind::Haul).filter(|entry| PROGRAMS.contains(&entry.name.as_str()));
    let haul = best(haul, Throughput);
    let goal = |rest| format!("{work}: {rest}");
    vec![
        against(goal("≥ 2 × the fastest peer"), row, Throughput, fastest, 2.0),
        against(goal("≥ 0.85 × the prototype"), row, Throughput, bare, 0.85),
        against(goal("CPU ≤ 0.5 × the cheapest peer"), row, CpuPerGigabyte, cheapest, 0.5),
        against(goal("≥ 0.9 × the fastest of the three"), row, Throughput, haul, 0.9),
    ]
}

fn small(row: &Results, work: &str) -> Vec<Judged> {
    let [rsyncd, copied] = ["rsyncd", "cp -r"].map(|name| named(row, name, Seconds));
    vec![
        against(format!("{work}: time ≤ ⅓ × rsyncd"), row, Seconds, rsyncd, 1.0 / 3.0),
        against(format!("{work}: time ≤ 1.5 × cp -r"), row, Seconds, copied, 1.5),
    ]
}

/// A durable upload, compared with the same program without syncs.
fn group_commit(row: &Results) -> Judged {
    let judged = PROGRAMS.map(|name| {
        let at = |sync: &str| named(row, &format!("{name} --sync={sync}"), Seconds);
        let (durable, how) = at("batch").or_else(|| at("always"))?;
        let ratio = durable / at("none")?.0;
        let how = how.strip_prefix(name).unwrap_or(how).trim();
        Some(Verdict { figure: format!("{ratio:.1} × ({how})"), reached: ratio <= 2.0 })
    });
    (String::from("10,000 files up, each durable: ≤ 2 × the time without syncs"), judged)
}

fn link(work: &str, row: &Results) -> Judged {
    let link = Some((0.125, "the link"));
    against(format!("{work}: ≥ 0.85 × 1 Gbit/s"), row, Throughput, link, 0.85)
}

/// All three programs have the same parser.
fn parse(row: &Results) -> Vec<Judged> {
    let typical = named(row, "haul, download", PerSecond).map(|(rate, _)| Verdict {
        figure: format!("{:.1} million", rate / 1e6),
        reached: rate >= 5e6,
    });
    let slowest = row.of_kind(Kind::Haul).filter_map(|entry| {
        let other = entry.name.replace("haul", "httparse");
        let (other, name) = named(row, &other, PerSecond)?;
        Some((entry.median(PerSecond)? / other, name))
    });
    let slowest = slowest.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(ratio, name)| Verdict {
        figure: format!("at least {ratio:.2} × {name}"),
        reached: ratio >= 1.0,
    });
    let alike = |verdict: Option<Verdict>| [verdict.clone(), verdict.clone(), verdict];
    vec![
        (String::from("Lines parsed on one core: ≥ 5 million a second"), alike(typical)),
        (String::from("Lines parsed: not slower than httparse"), alike(slowest)),
    ]
}

/// A mark to compare with: a figure, and whose it is.
type Mark<'a> = Option<(f64, &'a str)>;

/// The best of some contenders.
fn best<'a>(entries: impl Iterator<Item = &'a Entry>, metric: Metric) -> Mark<'a> {
    let marks = entries.filter_map(|entry| Some((entry.median(metric)?, entry.name.as_str())));
    let better = |a: f64, b: f64| if metric.more_is_better() { a > b } else { a < b };
    marks.reduce(|a, b| if better(b.0, a.0) { b } else { a })
}

fn named<'a>(row: &'a Results, name: &str, metric: Metric) -> Mark<'a> {
    best(row.entries.iter().filter(|entry| entry.name == name), metric)
}

/// Each program's ratio to a mark: at least or at most `factor`, depending on the metric.
fn against(
    goal: impl Into<String>,
    row: &Results,
    metric: Metric,
    mark: Mark<'_>,
    factor: f64,
) -> Judged {
    let judge = |figure| {
        let (mark, name) = mark?;
        let ratio = figure / mark;
        let reached = if metric.more_is_better() { ratio >= factor } else { ratio <= factor };
        Some(Verdict { figure: format!("{ratio:.2} × {name}"), reached })
    };
    (goal.into(), PROGRAMS.map(|name| judge(named(row, name, metric)?.0)))
}

/// Each program's figure, which must not exceed a bound.
fn bounded(goal: &str, row: &Results, metric: Metric, bound: f64) -> Judged {
    let judge = |figure| Verdict { figure: short(figure), reached: figure <= bound };
    (
        goal.to_owned(),
        PROGRAMS.map(|name| named(row, name, metric).map(|(figure, _)| judge(figure))),
    )
}
