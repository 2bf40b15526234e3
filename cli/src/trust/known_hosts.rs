//! The file of known servers: `HOST:PORT FINGERPRINT` a line. A line that is empty or begins with `#` says nothing.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use haul_accounts::Fingerprint;

use super::config::{failed, make, read, replace};
use crate::address::ServerAddress;
use crate::error::Error;
use crate::exit::Exit;

/// The file of known servers.
#[derive(Debug)]
pub(crate) struct KnownHosts {
    path: PathBuf,
}

/// A server, and the key that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownHost {
    /// `HOST:PORT`, in lower case.
    pub(crate) name: String,
    /// The fingerprint of its key.
    pub(crate) fingerprint: Fingerprint,
}

/// The name of a server in the file.
fn name_of(server: &ServerAddress) -> String {
    server.host_and_port().to_string().to_lowercase()
}

impl KnownHosts {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All servers, in the order of the file.
    pub(crate) fn all(&self) -> Result<Vec<KnownHost>, Error> {
        let text = read(&self.path)?.unwrap_or_default();
        Ok(self.parse(&text)?.into_iter().filter_map(|(_, known)| known).collect())
    }

    /// The fingerprint of a server, and the file that says so.
    pub(super) fn fingerprint_of(
        &self,
        server: &ServerAddress,
    ) -> Result<Option<(Fingerprint, PathBuf)>, Error> {
        let name = name_of(server);
        let known = self.all()?.into_iter().find(|known| known.name == name);
        Ok(known.map(|known| (known.fingerprint, self.path.clone())))
    }

    /// Has the server known by this fingerprint, and returns the one that it was known by.
    pub(crate) fn set(
        &self,
        server: &ServerAddress,
        fingerprint: Fingerprint,
    ) -> Result<Option<Fingerprint>, Error> {
        let name = name_of(server);
        let before = self.change(&name, Some(fingerprint))?;
        Ok(before.filter(|before| *before != fingerprint))
    }

    /// Forgets a server, and returns the fingerprint that it was known by.
    pub(crate) fn remove(&self, server: &ServerAddress) -> Result<Option<Fingerprint>, Error> {
        self.change(&name_of(server), None)
    }

    /// Replaces the line of a server. Programs that do so at the same time wait for each other.
    fn change(
        &self,
        name: &str,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Option<Fingerprint>, Error> {
        let _lock = self.lock().map_err(|error| failed(&self.path, &error))?;
        let text = read(&self.path)?.unwrap_or_default();
        let lines = self.parse(&text)?;
        let is_it = |known: &Option<KnownHost>| known.as_ref().is_some_and(|it| it.name == name);
        let before = lines.iter().find(|(_, known)| is_it(known));
        let before = before.and_then(|(_, known)| known.as_ref()).map(|known| known.fingerprint);
        if before == fingerprint {
            return Ok(before);
        }
        let kept = lines.iter().filter(|(_, known)| !is_it(known));
        let mut changed: String = kept.flat_map(|(line, _)| [line, "\n"]).collect();
        if let Some(fingerprint) = fingerprint {
            // Writing to a string cannot fail.
            let _ = writeln!(changed, "{name} {fingerprint}");
        }
        replace(&self.path, &changed).map(|()| before)
    }

    fn lock(&self) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            make(directory)?;
        }
        let path = self.path.with_extension("lock");
        let lock = File::options().create(true).append(true).open(path)?;
        lock.lock()?;
        Ok(lock)
    }

    /// The lines of the file. A line that is not understood may be of a server that is to be refused, so it is an error.
    fn parse<'t>(&self, text: &'t str) -> Result<Vec<(&'t str, Option<KnownHost>)>, Error> {
        let mut lines: Vec<(&str, Option<KnownHost>)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: &str| {
                let message = format!("{}, line {}: {what}", self.path.display(), index + 1);
                Error::new(Exit::Local, message).advise("mend or remove the line")
            };
            if line.trim().is_empty() || line.starts_with('#') {
                lines.push((line, None));
                continue;
            }
            let (name, fingerprint) = line
                .trim_end()
                .rsplit_once(' ')
                .ok_or_else(|| wrong("a line is HOST:PORT and a fingerprint"))?;
            let fingerprint = fingerprint
                .parse()
                .map_err(|_| wrong("a fingerprint is SHA256: and 43 characters of base64"))?;
            let name = name.trim().to_lowercase();
            if lines.iter().flat_map(|(_, known)| known).any(|known| known.name == name) {
                return Err(wrong("this server has a line already"));
            }
            lines.push((line, Some(KnownHost { name, fingerprint })));
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    fn server(text: &str) -> ServerAddress {
        text.parse().unwrap()
    }

    fn key(number: u8) -> Fingerprint {
        Fingerprint::of_spki(&[number])
    }

    #[test]
    fn a_server_is_known_by_its_host_and_port() {
        let place = tempfile::tempdir().unwrap();
        let known = KnownHosts::new(place.path().join("haul/known-hosts"));
        let known_as =
            |text: &str| known.fingerprint_of(&server(text)).unwrap().map(|(key, _)| key);
        assert_eq!(known_as("h"), None);
        assert_eq!(known.set(&server("h"), key(1)).unwrap(), None);
        assert_eq!(known.set(&server("[2001:DB8::1]"), key(2)).unwrap(), None);
        assert_eq!(known_as("hauls://alice@H:4286/a"), Some(key(1)));
        assert_eq!((known_as("h:1"), known_as("g")), (None, None));
        assert_eq!(known_as("[2001:db8::1]"), Some(key(2)));
        assert_eq!(known.set(&server("h"), key(1)).unwrap(), None);
        assert_eq!(known.set(&server("h"), key(3)).unwrap(), Some(key(1)));
        assert_eq!(known_as("h"), Some(key(3)));
        assert_eq!(known.remove(&server("h")).unwrap(), Some(key(3)));
        assert_eq!(known.remove(&server("h")).unwrap(), None);
        let left = [KnownHost { name: "[2001:db8::1]:4286".into(), fingerprint: key(2) }];
        assert_eq!(known.all().unwrap(), left);
    }

    #[test]
    fn what_a_person_wrote_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known-hosts");
        let known = KnownHosts::new(path.clone());
        fs::write(&path, format!("# mine\n\nH:1  {}\n", key(1))).unwrap();
        known.set(&server("g:1"), key(2)).unwrap();
        let expected = format!("# mine\n\nH:1  {}\ng:1 {}\n", key(1), key(2));
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(known.fingerprint_of(&server("h:1")).unwrap(), Some((key(1), path)));
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known-hosts");
        let known = KnownHosts::new(path.clone());
        let twice = format!("h:1 {}\nH:1 {}\n", key(1), key(2));
        for text in ["h:1\n", "h:1 SHA256:x\n", "h:1 MD5:x y\n", &twice] {
            fs::write(&path, text).unwrap();
            for error in [
                known.fingerprint_of(&server("g")).unwrap_err(),
                known.set(&server("g"), key(3)).unwrap_err(),
            ] {
                assert_eq!(error.exit(), Exit::Local, "{text}");
                assert!(error.to_string().contains("known-hosts, line "), "{error}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn programs_that_change_it_at_once_lose_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known-hosts");
        thread::scope(|scope| {
            for number in 1..=20_u8 {
                let known = KnownHosts::new(path.clone());
                scope.spawn(move || {
                    known.set(&server(&format!("h:{number}")), key(number)).unwrap();
                });
            }
        });
        assert_eq!(KnownHosts::new(path).all().unwrap().len(), 20);
    }
}
