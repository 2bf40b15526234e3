//! The results in Markdown, the samples as CSV.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Result;
use crate::goals::{self, Verdict};
use crate::haul::PROGRAMS;
use crate::machine::Machine;
use crate::plot;
use crate::results::{Entry, Results, Spread};

/// Writes everything into a folder.
pub(crate) fn write(
    folder: &Path,
    machine: &Machine,
    missing: &[String],
    rows: &[Results],
    quick: bool,
) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut text = String::from("# Side by side\n\n");
    writeln!(text, "{machine}")?;
    for line in missing {
        writeln!(text, "{line}.\n")?;
    }
    if quick {
        writeln!(text, "So little was moved that the figures say nothing.\n")?;
    } else {
        write_goals(&mut text, rows)?;
    }
    for row in rows {
        write_row(&mut text, row)?;
        plot::write(&folder.join(format!("{}.svg", row.id)), row)?;
    }
    write_commands(&mut text, rows)?;
    fs::write(folder.join("README.md"), text)?;
    fs::write(folder.join("samples.csv"), samples(rows)?)?;
    Ok(())
}

fn write_goals(text: &mut String, rows: &[Results]) -> Result<()> {
    let goals = goals::judge(rows);
    if goals.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Goals\n\n| goal | {} |", PROGRAMS.join(" | "))?;
    writeln!(text, "| --- |{}", " --- |".repeat(PROGRAMS.len()))?;
    for (goal, verdicts) in goals {
        let cells = verdicts.map(|verdict| match verdict {
            Some(Verdict { figure, reached: true }) => format!("{figure}: **reached**"),
            Some(Verdict { figure, reached: false }) => format!("{figure}: not reached"),
            None => String::from("not available"),
        });
        writeln!(text, "| {goal} | {} |", cells.join(" | "))?;
    }
    Ok(writeln!(text)?)
}

fn write_row(text: &mut String, row: &Results) -> Result<()> {
    let Results { id, title, note, entries, disturbed } = row;
    writeln!(text, "## {title}\n\n{note}")?;
    let percent = disturbed * 100.0;
    writeln!(text, "Other programs used {percent:.0} % of the machine meanwhile.\n")?;
    let metrics = row.metrics();
    let labels: Vec<&str> = metrics.iter().map(|metric| metric.label()).collect();
    writeln!(text, "| | {} |", labels.join(" | "))?;
    writeln!(text, "| --- |{}", " --- |".repeat(metrics.len()))?;
    for entry in entries {
        let cells: Vec<String> = match &entry.failure {
            Some(why) => vec![format!("failed: {}", why.replace('|', "/"))],
            None => metrics
                .iter()
                .map(|metric| entry.spread(*metric).map_or(String::from("–"), cell))
                .collect(),
        };
        writeln!(text, "| {} | {} |", entry.name, cells.join(" | "))?;
    }
    writeln!(text, "\n![{title}]({id}.svg)\n")?;
    Ok(())
}

/// The median, with the minimum and the maximum.
pub(crate) fn cell(Spread { least, median, most }: Spread) -> String {
    let [least, median, most] = [least, median, most].map(short);
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

/// Formats a figure with its significant digits.
pub(crate) fn short(figure: f64) -> String {
    match figure.abs() {
        0.0..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

fn write_commands(text: &mut String, rows: &[Results]) -> Result<()> {
    writeln!(
        text,
        "## Commands\n\n`$FROM` is the source, `$TO` the destination and `$PORT` the server's port.\n"
    )?;
    for Results { title, entries, .. } in rows {
        writeln!(text, "{title}:\n\n```text")?;
        let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        for Entry { name, shown, .. } in entries {
            writeln!(text, "{name:width$}  {shown}")?;
        }
        writeln!(text, "```\n")?;
    }
    Ok(())
}

fn samples(rows: &[Results]) -> Result<String> {
    let mut text = String::from("row,contender,round,metric,figure\n");
    for row in rows {
        for entry in &row.entries {
            for (round, sample) in entry.samples.iter().enumerate() {
                for (metric, figure) in sample {
                    let (id, name, metric) = (row.id, &entry.name, metric.label());
                    writeln!(text, "{id},{name},{},\"{metric}\",{figure}", round + 1)?;
                }
            }
        }
    }
    Ok(text)
}
