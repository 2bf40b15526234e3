//! Plots a row as bars: the median of its main figure, and a line from the minimum to the maximum.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::contender::Kind;
use crate::report::short;
use crate::results::Results;

const WIDTH: i32 = 760;
const BAR: i32 = 24;
/// The space above the bars, for the title.
const TOP: i32 = 40;
/// The space left of the bars, for the names, and right of them, for the figures.
const LEFT: i32 = 230;
const RIGHT: i32 = 80;

pub(crate) fn write(path: &Path, row: &Results) -> Result<()> {
    let Some(metric) = row.metrics().first().copied() else { return Ok(()) };
    let bars: Vec<_> = row
        .entries
        .iter()
        .filter_map(|entry| Some((&entry.name, entry.kind, entry.spread(metric)?)))
        .collect();
    let most = bars.iter().map(|(_, _, spread)| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + BAR * i32::try_from(bars.len())? + BAR / 2;
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let font = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
    let title = format!("{}: {}", row.title, metric.label());
    area.draw(&Text::new(title, (8, 10), font(16)))?;
    #[allow(clippy::cast_possible_truncation)]
    let across = |figure: f64| LEFT + (f64::from(WIDTH - LEFT - RIGHT) * figure / most) as i32;
    let mut top = TOP;
    for (name, kind, spread) in bars {
        let middle = top + BAR / 2;
        let at = |side| font(13).pos(Pos::new(side, VPos::Center));
        area.draw(&Text::new(name.as_str(), (LEFT - 8, middle), at(HPos::Right)))?;
        let bar = [(LEFT, top + 3), (across(spread.median), top + BAR - 3)];
        area.draw(&Rectangle::new(bar, color(kind).filled()))?;
        let whisker = [(across(spread.least), middle), (across(spread.most), middle)];
        area.draw(&PathElement::new(whisker, BLACK))?;
        let figure = (across(spread.most) + 6, middle);
        area.draw(&Text::new(short(spread.median), figure, at(HPos::Left)))?;
        top += BAR;
    }
    Ok(area.present()?)
}

fn color(kind: Kind) -> RGBColor {
    match kind {
        Kind::Haul => RGBColor(0x1f, 0x77, 0xb4),
        Kind::Peer => RGBColor(0xff, 0x9f, 0x40),
        Kind::Local => RGBColor(0xaa, 0xaa, 0xaa),
        Kind::Bare => RGBColor(0x6a, 0xb1, 0x87),
    }
}
