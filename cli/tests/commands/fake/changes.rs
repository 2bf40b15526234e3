//! What the server in memory does when it is to change something.

use haul_core::client::{Failure, Request};
use haul_core::message::Summary;
use haul_core::{Checksum, ErrorCode, FilePath, Mode};

use super::{State, refusal};

/// Carries out a request that moves no files.
pub(super) fn answer(state: &mut State, request: &Request) -> Result<Summary, Failure> {
    let (Request::Delete { path, .. }
    | Request::MakeDirectory { path }
    | Request::Checksum { path, .. }
    | Request::Move { from: path, .. }
    | Request::Copy { from: path, .. }) = request
    else {
        unreachable!("{request:?}")
    };
    let Some(failure) = state.failures.remove(path.as_str()) else {
        return carry_out(state, request);
    };
    if state.lost_receipt == Some(path.as_str()) {
        carry_out(state, request)?;
    }
    Err(failure)
}

fn carry_out(state: &mut State, request: &Request) -> Result<Summary, Failure> {
    match request {
        Request::Delete { path, .. } => {
            state.delete(path.as_str())?;
            state.deleted.push(path.as_str().to_owned());
        }
        Request::MakeDirectory { path } => {
            if state.is_taken(path.as_str()) {
                return Err(refusal(ErrorCode::Exists));
            }
            let name = path.as_str();
            let ends = name.match_indices('/').map(|(end, _)| end).chain([name.len()]);
            state.directories.extend(ends.map(|end| name[..end].to_owned()));
        }
        Request::Move { from, to, mode, .. } => {
            if state.is_directory(from.as_str()) {
                state.make_room(to, Mode::Create)?;
                state.rename_directory(from.as_str(), to.as_str());
            } else {
                let content = state.content(from)?;
                state.make_room(to, *mode)?;
                state.files.remove(from.as_str());
                state.files.insert(to.as_str().to_owned(), content);
            }
        }
        Request::Copy { from, to, mode, .. } => {
            let content = state.content(from)?;
            state.make_room(to, *mode)?;
            state.files.insert(to.as_str().to_owned(), content.clone());
            return Ok(told(&content));
        }
        Request::Checksum { path, .. } => return Ok(told(&state.content(path)?)),
        _ => unreachable!("{request:?}"),
    }
    Ok(Summary::default())
}

fn told(content: &[u8]) -> Summary {
    let size = Some(content.len() as u64);
    Summary { size, checksum: Some(Checksum::of(content)), ..Summary::default() }
}

impl State {
    fn below(&self, directory: &str) -> impl Iterator<Item = &String> {
        let prefix = format!("{directory}/");
        let names = self.files.keys().chain(&self.directories);
        names.filter(move |name| name.starts_with(&prefix))
    }

    fn is_directory(&self, name: &str) -> bool {
        self.directories.contains(name) || self.below(name).next().is_some()
    }

    fn is_taken(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.is_directory(name)
    }

    fn content(&self, path: &FilePath) -> Result<Vec<u8>, Failure> {
        if self.is_directory(path.as_str()) {
            return Err(refusal(ErrorCode::IsDirectory));
        }
        self.files.get(path.as_str()).cloned().ok_or_else(|| refusal(ErrorCode::NotFound))
    }

    fn make_room(&self, to: &FilePath, mode: Mode) -> Result<(), Failure> {
        if self.is_directory(to.as_str()) {
            return Err(refusal(ErrorCode::IsDirectory));
        }
        let is_refused = mode == Mode::Create && self.is_taken(to.as_str());
        if is_refused { Err(refusal(ErrorCode::Exists)) } else { Ok(()) }
    }

    fn rename_directory(&mut self, from: &str, to: &str) {
        let renamed = |name: &str| match name.strip_prefix(from) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{to}{rest}"),
            _ => name.to_owned(),
        };
        let files = std::mem::take(&mut self.files).into_iter();
        self.files = files.map(|(name, content)| (renamed(&name), content)).collect();
        self.directories = self.directories.iter().map(|name| renamed(name)).collect();
    }

    fn delete(&mut self, name: &str) -> Result<(), Failure> {
        if let Some(at) = self.links.iter().position(|link| link == name) {
            self.links.remove(at);
            return Ok(());
        }
        if self.files.remove(name).is_some() {
            // What it was in stays.
            let above = name.match_indices('/').map(|(end, _)| name[..end].to_owned());
            self.directories.extend(above);
            return Ok(());
        }
        if self.below(name).next().is_some() {
            return Err(refusal(ErrorCode::NotEmpty));
        }
        let found = self.directories.remove(name);
        if found { Ok(()) } else { Err(refusal(ErrorCode::NotFound)) }
    }
}
