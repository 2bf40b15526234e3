//! What the server in memory answers.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::sync::MutexGuard;
use std::thread;

use haul_cli::{Remote, Watch};
use haul_core::RequestId;
use haul_core::client::{ClientEvent, Failure, Progress, Request};
use haul_core::message::{Greeting, Sending, Summary};
use haul_core::{Checksum, Depth, Entry, ErrorCode, FilePath, Mode};
use haul_store::{ClientFiles, NewFile, Source, Target};
use haul_transport::Call;

use super::{Fake, State, changes, modified, refusal};

/// A connection to the server.
pub(super) struct Connection {
    pub(super) server: Fake,
    pub(super) greeting: Greeting,
}

impl Connection {
    fn begin(&self, path: Option<&FilePath>) -> Result<MutexGuard<'_, State>, Failure> {
        let mut state = self.server.state();
        match state.failures.remove(path.map_or("/", FilePath::as_str)) {
            Some(failure) => Err(failure),
            None => Ok(state),
        }
    }

    /// So much of a file has moved.
    fn is_lost(&self, bytes: u64) -> Result<(), Failure> {
        let pace = self.server.state().pace;
        thread::sleep(pace);
        let mut state = self.server.state();
        match state.lost_after.take_if(|after| bytes >= *after) {
            Some(_) => Err(Failure::Disconnected),
            None => Ok(()),
        }
    }
}

impl Remote for Connection {
    fn greeting(&self) -> Option<&Greeting> {
        Some(&self.greeting)
    }

    fn run(
        &mut self,
        calls: &mut dyn Iterator<Item = Call<Watch<'_>>>,
        _: usize,
    ) -> Result<(), Failure> {
        if let Some(failure) = self.server.state().failures.remove("run") {
            return Err(failure);
        }
        for call in calls {
            let Call { request, files, mut watch } = call;
            let result = self.answer(request, files, &mut *watch);
            let lost = match &result {
                Err(failure @ (Failure::Disconnected | Failure::TimedOut | Failure::Cancelled)) => {
                    Some(failure.clone())
                }
                Err(failure @ Failure::Refused(refusal))
                    if refusal.code().is_some_and(ErrorCode::closes) =>
                {
                    Some(failure.clone())
                }
                _ => None,
            };
            let _ = watch(&ClientEvent::Finished { id: ID, result });
            if let Some(failure) = lost {
                return Err(failure);
            }
        }
        Ok(())
    }

    fn leave(self: Box<Self>) -> Result<(), Failure> {
        self.server.state().said_goodbye += 1;
        Ok(())
    }
}

const ID: RequestId = RequestId(0);

impl Connection {
    fn answer(
        &mut self,
        request: Request,
        files: ClientFiles,
        watch: &mut dyn FnMut(&ClientEvent) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        if matches!(request, Request::Download { .. } | Request::Upload { .. }) {
            self.server.begin_transfer()?;
        }
        match (request, files) {
            (Request::List { path, depth, .. }, _) => {
                self.list(path.as_ref(), depth, &mut |entry| {
                    watch(&ClientEvent::Entry { id: ID, entry: entry.clone() })
                })
            }
            (
                Request::Download { path, offset, length, mode, if_match: None },
                ClientFiles::Target(target),
            ) => self.download(&path, offset, length, mode, target, watch),
            (Request::Upload { path, mode, if_match: None }, ClientFiles::Source(source)) => {
                let on_progress =
                    &mut |progress| watch(&ClientEvent::Progress { id: ID, progress });
                self.upload(&path, mode, source, on_progress)
            }
            (
                request @ (Request::Delete { .. }
                | Request::MakeDirectory { .. }
                | Request::Move { .. }
                | Request::Copy { .. }
                | Request::Checksum { .. }),
                ClientFiles::Nothing,
            ) => changes::answer(&mut self.server.state(), &request),
            (Request::Help, _) => {
                if let Some(failure) = self.server.state().failures.remove("HELP") {
                    return Err(failure);
                }
                for text in ["LIST lists", "\u{1b}[31mred"] {
                    let _ = watch(&ClientEvent::Info { id: ID, text: text.to_owned() });
                }
                Ok(Summary::default())
            }
            (request, files) => unreachable!("{request:?} with {files:?}"),
        }
    }
}

impl Connection {
    fn list(
        &mut self,
        path: Option<&FilePath>,
        depth: Depth,
        on_entry: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let state = self.begin(path)?;
        let prefix = path.map(|path| format!("{}/", path.as_str())).unwrap_or_default();
        let mut entries = BTreeMap::new();
        for (name, content) in &state.files {
            let whole = Entry::File {
                path: super::path(name),
                size: content.len() as u64,
                modified: modified(),
                executable: false,
            };
            if path.is_some_and(|path| path.as_str() == name) {
                entries.insert(name.clone(), whole);
            } else if let Some(rest) = name.strip_prefix(&prefix) {
                let mut end = prefix.len();
                for part in rest.split('/') {
                    let level = name[prefix.len()..end].matches('/').count() as u64 + 1;
                    if level > 1 && !depth.goes_below(level - 1) {
                        break;
                    }
                    end += part.len();
                    let name_here = name[..end].to_owned();
                    let link = state.links.contains(&name_here);
                    let entry = if end == name.len() {
                        whole.clone()
                    } else {
                        Entry::Directory { path: super::path(&name_here), error: None, link }
                    };
                    entries.insert(name_here, entry);
                    end += 1;
                    if link {
                        break;
                    }
                }
            }
        }
        let within = |name: &&String| {
            let level = name.strip_prefix(&prefix).map(|rest| rest.matches('/').count() as u64);
            level.is_some_and(|level| level == 0 || depth.goes_below(level))
        };
        for name in state.directories.iter().filter(within) {
            let entry = Entry::Directory { path: super::path(name), error: None, link: false };
            entries.entry(name.clone()).or_insert(entry);
        }
        // Any order is allowed: the worst for whoever wants to sort.
        let listed: Vec<Entry> =
            entries.into_values().rev().chain(state.invented.clone()).collect();
        let made = path.is_some_and(|path| state.directories.contains(path.as_str()));
        if listed.is_empty() && path.is_some() && !made {
            return Err(refusal(ErrorCode::NotFound));
        }
        let skipped = state.skipped;
        drop(state);
        for entry in &listed {
            if on_entry(entry).is_break() {
                return Err(Failure::Cancelled);
            }
        }
        Ok(Summary { entries: Some(listed.len() as u64), skipped, ..Summary::default() })
    }

    fn download(
        &mut self,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
        mode: Mode,
        mut target: Box<dyn Target>,
        watch: &mut dyn FnMut(&ClientEvent) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let state = self.begin(Some(path))?;
        let (corrupt_after, durable) = (state.corrupt_after, state.durable);
        let file =
            state.files.get(path.as_str()).cloned().ok_or_else(|| refusal(ErrorCode::NotFound))?;
        drop(state);
        let from = usize::try_from(offset).unwrap();
        let rest = file.get(from..).ok_or_else(|| refusal(ErrorCode::BadRange))?;
        let length =
            length.map_or(rest.len(), |length| usize::try_from(length).unwrap().min(rest.len()));
        let content = &rest[..length];
        let size = content.len() as u64;
        let file = NewFile {
            path: path.clone(),
            mode,
            if_match: None,
            size: Some(size),
            modified: Some(modified()),
            executable: false,
            durable,
        };
        let sending = Sending {
            size,
            offset,
            length: size,
            modified: modified(),
            executable: false,
            version: None,
        };
        let _ = watch(&ClientEvent::Sending { id: ID, sending });
        let mut staged = target.create(&file)?;
        let mut bytes = 0;
        for piece in content.chunks(4) {
            staged.write(bytes, piece)?;
            bytes += piece.len() as u64;
            let progress = Progress { bytes, total: Some(size) };
            if watch(&ClientEvent::Progress { id: ID, progress }).is_break() {
                return Err(Failure::Cancelled);
            }
            self.is_lost(bytes)?;
            if corrupt_after.is_some_and(|after| bytes >= after as u64) {
                return Err(Failure::Corrupted);
            }
        }
        let checksum = Checksum::of(content);
        if durable {
            staged.sync()?;
        }
        staged.publish(checksum)?;
        if durable {
            staged.sync_directory()?;
        }
        Ok(Summary { length: Some(size), checksum: Some(checksum), ..Summary::default() })
    }

    fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        mut source: Box<dyn Source>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let mut state = match self.begin(Some(path)) {
            Err(failure) if self.server.state().lost_receipt == Some(path.as_str()) => {
                self.server.state().files.insert(path.as_str().to_owned(), Vec::new());
                return Err(failure);
            }
            begun => begun?,
        };
        if let Some(refused) = state.refused_dots.as_mut().filter(|_| path.is_hidden()) {
            refused.push(path.as_str().to_owned());
            return Err(refusal(ErrorCode::NotFound));
        }
        if mode == Mode::Create && state.files.contains_key(path.as_str()) {
            return Err(refusal(ErrorCode::Exists));
        }
        drop(state);
        let mut content = Vec::new();
        loop {
            let piece = source.read(content.len() as u64, 5)?;
            if piece.is_empty() {
                break;
            }
            content.extend_from_slice(&piece);
            let progress = Progress { bytes: content.len() as u64, total: source.opened().size };
            if on_progress(progress).is_break() {
                return Err(Failure::Cancelled);
            }
            self.is_lost(content.len() as u64)?;
        }
        let checksum = Checksum::of(&content);
        source.finish(0, content.len() as u64, checksum)?;
        let size = content.len() as u64;
        if let Some(mirror) = &self.server.state().mirror {
            let file = mirror.join(path.as_str());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &content).unwrap();
        }
        self.server.state().files.insert(path.as_str().to_owned(), content);
        Ok(Summary { size: Some(size), checksum: Some(checksum), ..Summary::default() })
    }
}
