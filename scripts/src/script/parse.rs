//! The parser of script files.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use haul_core::Timestamp;

use super::text::{Names, number, quoted};
use super::{Disturbance, Expectation, Script, Step, default_time};
use crate::setup::Setup;
use crate::tree::{Node, Tree};

/// A script that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct ScriptError {
    file: String,
    line: usize,
    reason: String,
}

impl ScriptError {
    pub(super) fn twice(file: &str, title: &str) -> Self {
        Self { file: file.to_owned(), line: 0, reason: format!("a second script called {title:?}") }
    }
}

/// Parses the scripts of a file.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Script>, ScriptError> {
    let mut scripts: Vec<Builder> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fail = |reason| ScriptError { file: file.to_owned(), line: index + 1, reason };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            scripts.push(Builder::new(title));
            continue;
        }
        let builder = scripts.last_mut().ok_or_else(|| fail("no script has begun".to_owned()))?;
        builder.line(line).map_err(fail)?;
    }
    scripts
        .into_iter()
        .map(|builder| {
            let title = builder.title.clone();
            builder.finish().map_err(|reason| ScriptError {
                file: file.to_owned(),
                line: 0,
                reason: format!("{title}: {reason}"),
            })
        })
        .collect()
}

/// A script that is being parsed.
struct Builder {
    title: String,
    covers: Vec<String>,
    setup: Setup,
    names: Names,
    start: Tree,
    steps: Vec<Step>,
    changes: Vec<Change>,
    /// Whether the script itself has a line for the greeting.
    greets: bool,
}

/// A difference between the end and the start.
enum Change {
    Put(PathBuf, Node),
    Remove(PathBuf),
}

impl Builder {
    fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            covers: Vec::new(),
            setup: Setup::default(),
            names: Names::default(),
            start: Tree::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            greets: false,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "covers" => self.covers.extend(rest.split_whitespace().map(str::to_owned)),
            "option" => {
                let (key, value) = rest.split_once('=').ok_or("an option is KEY=VALUE")?;
                self.setup.set(key, value)?;
            }
            "let" => {
                let (name, content) = rest.split_once(" = ").ok_or("let is NAME = CONTENT")?;
                let content = self.names.content(content)?;
                self.names.define(name, content)?;
            }
            "file" | "program" | "dir" | "symlink" | "fifo" => {
                let (path, node) = self.node(what, rest, default_time())?;
                self.start.put(path, node);
            }
            "outside" => {
                let (path, node) = self.node("file", rest, default_time())?;
                self.start.put_outside(path, node);
            }
            "+file" | "+program" | "+dir" => {
                let (path, node) = self.node(&what[1..], rest, None)?;
                self.changes.push(Change::Put(path, node));
            }
            "-" => {
                let (path, _) = self.path(rest)?;
                self.changes.push(Change::Remove(path));
            }
            _ => return self.step(what, rest),
        }
        Ok(())
    }

    fn step(&mut self, what: &str, rest: &str) -> Result<(), String> {
        let step = match what {
            ">" => {
                let mut bytes = self.names.bytes(rest)?;
                bytes.extend_from_slice(b"\r\n");
                Step::Send(bytes)
            }
            ">|" => Step::Send(self.names.bytes(rest)?),
            ">body" => Step::Send(self.names.content(rest)?.to_vec()),
            ">end" => Step::CloseSending,
            "<" => Step::Expect(self.line_expected(rest)?),
            "<~" => {
                let line = self.names.bytes(rest)?;
                if let Some(Step::Expect(Expectation::Unordered(lines))) = self.steps.last_mut() {
                    lines.push(line);
                    return Ok(());
                }
                Step::Expect(Expectation::Unordered(vec![line]))
            }
            "<greeting" => {
                self.greets = true;
                Step::Expect(match rest {
                    "" => self.greeting(),
                    words => Expectation::Line(self.names.bytes(&format!("HAUL/1 {words}"))?),
                })
            }
            "<info" => Step::Expect(Expectation::Info),
            "<body" | "<prefix" => {
                let content = self.names.content(rest)?;
                Step::Expect(Expectation::Body { content, whole: what == "<body" })
            }
            "<end" => Step::Expect(Expectation::End),
            "!drain" => Step::Drain,
            "!truncate" => {
                let (path, length) = self.path(rest)?;
                Step::Disturb(Disturbance::Truncate { path, length: number(&length)? })
            }
            "!write" => {
                let (path, content) = self.path(rest)?;
                let content = self.names.content(&content)?;
                Step::Disturb(Disturbance::Write { path, content })
            }
            "!replace" => {
                let (path, content) = self.path(rest)?;
                let content = self.names.content(&content)?;
                Step::Disturb(Disturbance::Replace { path, content })
            }
            "!link" => {
                let (path, link) = self.path(rest)?;
                Step::Disturb(Disturbance::Link { path, link: self.path(&link)?.0 })
            }
            _ => return Err(format!("{what} is nothing that a script says")),
        };
        self.steps.push(step);
        Ok(())
    }

    fn greeting(&self) -> Expectation {
        let config = &self.setup.config;
        let (banner, limits) = (&config.banner, &config.limits);
        let auth = if self.setup.users.is_empty() { "" } else { " auth=required" };
        let line = format!(
            "HAUL/1 \"{banner}\" max-data={} pipeline={}{auth}",
            limits.max_data, limits.pipeline
        );
        Expectation::Line(line.into_bytes())
    }

    fn line_expected(&self, rest: &str) -> Result<Expectation, String> {
        match rest.strip_prefix("ERR ") {
            Some(code) if !code.contains(' ') => Ok(Expectation::Error(code.to_owned())),
            _ => Ok(Expectation::Line(self.names.bytes(rest)?)),
        }
    }

    /// A node of the tree, and its path.
    fn node(
        &self,
        what: &str,
        rest: &str,
        time: Option<Timestamp>,
    ) -> Result<(PathBuf, Node), String> {
        let (path, rest) = self.path(rest)?;
        let node = match what {
            "dir" if rest.is_empty() => Node::Directory,
            "fifo" if rest.is_empty() => Node::Fifo,
            "symlink" => Node::Symlink(self.path(&rest)?.0),
            "file" | "program" => {
                let (content, modified) = split_time(&rest)?;
                let (content, modified) = (self.names.content(content)?, modified.or(time));
                Node::File { content, modified, executable: what == "program" }
            }
            _ => return Err(format!("{rest} is too much")),
        };
        Ok((path, node))
    }

    /// A quoted path, which may be any bytes, and the text after it.
    fn path(&self, text: &str) -> Result<(PathBuf, String), String> {
        let (inside, rest) = quoted(text)?;
        let bytes = self.names.bytes(inside)?;
        Ok((OsString::from_vec(bytes).into(), rest.to_owned()))
    }

    fn finish(mut self) -> Result<Script, String> {
        if self.covers.is_empty() {
            return Err("it covers no rule".to_owned());
        }
        if !self.greets {
            self.steps.insert(0, Step::Expect(self.greeting()));
        }
        if !self.steps.contains(&Step::Expect(Expectation::End)) {
            if self.steps.last() != Some(&Step::CloseSending) {
                self.steps.push(Step::CloseSending);
            }
            self.steps.push(Step::Expect(Expectation::End));
        }
        let mut end = self.start.clone();
        for change in self.changes {
            match change {
                Change::Put(path, node) => end.put(path, node),
                Change::Remove(path) => end.remove(&path)?,
            }
        }
        Ok(Script {
            title: self.title,
            covers: self.covers,
            setup: self.setup,
            start: self.start,
            steps: self.steps,
            end,
        })
    }
}

/// The content and, if the last word is one, the time after it.
fn split_time(text: &str) -> Result<(&str, Option<Timestamp>), String> {
    match text.rsplit_once(' ') {
        Some((content, last)) if last.ends_with('Z') && last.contains('T') => {
            let time = Timestamp::parse(last).ok_or_else(|| format!("{last} is no time"))?;
            Ok((content, Some(time)))
        }
        _ => Ok((text, None)),
    }
}
