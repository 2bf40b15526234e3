//! The format of the accounts file, and what it means.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use haul_core::account::{Access, Mount, Rights, Role, UserName};
use haul_core::{Escaped, FilePath};
use toml_edit::{Document, Item, Key, TableLike};

use crate::error::FormatError;
use crate::fingerprint::Fingerprint;
use crate::invitation::InvitationHash;
use crate::password::PasswordHash;
use crate::place::Place;
use crate::source::StoredAccount;

/// A file without accounts.
pub(super) const NEW_FILE: &str = "\
# The accounts of a HAUL server, for commands and editors. A change is in force at once. With a mistake in it, nothing
# changes, and the server logs it. Nobody else may have access to this file (mode 0600).
version = 1
";

const VERSION: i64 = 1;
/// How many characters of a wrong word are shown.
const SHOWN: usize = 64;
const UNKNOWN_FIELD: &str =
    "is unknown: there are home, quota, disabled, password, mounts, keys and invitations";
const MAX_COMMENT_BYTES: usize = 256;

/// All accounts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Users {
    accounts: BTreeMap<UserName, Arc<StoredAccount>>,
    owners: BTreeMap<Fingerprint, UserName>,
}

impl Users {
    /// Reads what is in an accounts file with this content.
    ///
    /// # Errors
    /// The first rule of the format that it breaks.
    pub fn parse(content: &[u8]) -> Result<Self, FormatError> {
        parse(content).map(|(users, _)| users)
    }

    /// The accounts, by their names.
    pub fn accounts(&self) -> &BTreeMap<UserName, Arc<StoredAccount>> {
        &self.accounts
    }

    /// The user who has the key.
    pub fn owner_of_key(&self, key: &Fingerprint) -> Option<&UserName> {
        self.owners.get(key)
    }
}

/// The accounts, and the document that they were read from.
pub(super) fn parse(content: &[u8]) -> Result<(Users, Document<&str>), FormatError> {
    let text = str::from_utf8(content).map_err(|error| FormatError {
        line: line(content, error.valid_up_to()),
        account: None,
        problem: "this is not UTF-8".to_owned(),
    })?;
    let reader = Reader { text, account: None };
    let document =
        Document::parse(text).map_err(|error| reader.error(error.span(), error.message()))?;
    let users = reader.users(document.as_table())?;
    Ok((users, document))
}

/// Whether a comment of a key is a good one.
pub(super) fn is_comment(text: &str) -> bool {
    text.len() <= MAX_COMMENT_BYTES && !text.chars().any(char::is_control)
}

/// How rights are written: as a role, if there is one that has just these.
pub(super) fn rights_text(rights: Rights) -> String {
    let role = Role::ALL.iter().find(|role| role.rights() == rights);
    role.map_or_else(|| rights.to_string(), Role::to_string)
}

fn line(content: &[u8], at: usize) -> usize {
    content.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Reads one text. No error quotes a value: an operator may have typed a password where its hash should be.
struct Reader<'a> {
    text: &'a str,
    account: Option<UserName>,
}

impl Reader<'_> {
    fn error(&self, span: Option<Range<usize>>, problem: impl Into<String>) -> FormatError {
        let line = line(self.text.as_bytes(), span.map_or(0, |span| span.start));
        FormatError { line, account: self.account.clone(), problem: problem.into() }
    }

    fn wrong<T>(&self, item: &Item, problem: impl Into<String>) -> Result<T, FormatError> {
        Err(self.error(item.span(), problem))
    }

    fn wrong_key<T>(&self, key: &Key, problem: &str) -> Result<T, FormatError> {
        let shown = Escaped::new(key.get()).cut(SHOWN).quoted();
        Err(self.error(key.span(), format!("{shown} {problem}")))
    }

    fn table<'i>(&self, item: &'i Item) -> Result<&'i dyn TableLike, FormatError> {
        item.as_table_like().ok_or_else(|| self.error(item.span(), "this must be a table"))
    }

    fn text<'i>(&self, item: &'i Item) -> Result<&'i str, FormatError> {
        item.as_str().ok_or_else(|| self.error(item.span(), "this must be a text in quotes"))
    }

    fn number(&self, item: &Item) -> Result<u64, FormatError> {
        let number = item.as_integer().and_then(|number| u64::try_from(number).ok());
        number
            .ok_or_else(|| self.error(item.span(), "this must be a number, and not a negative one"))
    }

    fn place(&self, item: &Item) -> Result<Place, FormatError> {
        self.text(item)?.parse().or_else(|error| {
            self.wrong(item, format!("this is not a directory of the share: {error}"))
        })
    }

    fn rights(&self, item: &Item) -> Result<Rights, FormatError> {
        let text = self.text(item)?;
        if let Some(role) = Role::parse(text) {
            return Ok(role.rights());
        }
        text.parse().or_else(|error| {
            self.wrong(item, format!("the roles are read, drop, add and write; {error}"))
        })
    }

    fn users(mut self, root: &dyn TableLike) -> Result<Users, FormatError> {
        let mut users = Users::default();
        let version = root
            .get("version")
            .ok_or_else(|| self.error(None, "the file must say `version = 1`"))?;
        if version.as_integer() != Some(VERSION) {
            return self.wrong(version, "this program reads version 1 of this file, and no other");
        }
        for (key, item) in entries(root) {
            match key.get() {
                "version" => {}
                "users" => {
                    for (name, item) in entries(self.table(item)?) {
                        let user = self.user(name)?;
                        self.account = Some(user.clone());
                        let owners = &mut users.owners;
                        let account = self.account(&user, name, self.table(item)?, owners)?;
                        users.accounts.insert(user, Arc::new(account));
                        self.account = None;
                    }
                }
                _ => return self.wrong_key(key, "is unknown: there are version and users"),
            }
        }
        Ok(users)
    }

    fn user(&self, name: &Key) -> Result<UserName, FormatError> {
        match UserName::parse(name.get()) {
            Ok(user) if user.is_anonymous() => self.wrong_key(
                name,
                "is everybody who has not identified themselves, and has no account",
            ),
            Ok(user) => Ok(user),
            Err(error) => self.wrong_key(name, &format!("is not one: {error}")),
        }
    }

    fn account(
        &self,
        user: &UserName,
        name: &Key,
        table: &dyn TableLike,
        owners: &mut BTreeMap<Fingerprint, UserName>,
    ) -> Result<StoredAccount, FormatError> {
        let home = FilePath::parse(user.as_str());
        let mut home: Place =
            home.map_err(|error| self.error(name.span(), error.to_string()))?.into();
        let mut home_rights = Rights::ALL;
        let (mut mounts, mut quota, mut disabled, mut password) = (Vec::new(), None, false, None);
        let (mut keys, mut invitations) = (BTreeMap::new(), BTreeMap::new());
        for (key, item) in entries(table) {
            match key.get() {
                "home" => home = self.place(item)?,
                "quota" => quota = Some(self.number(item)?),
                "disabled" => match item.as_bool() {
                    Some(is_disabled) => disabled = is_disabled,
                    None => return self.wrong(item, "this must be true or false"),
                },
                "password" => match PasswordHash::parse(self.text(item)?) {
                    Some(hash) => password = Some(hash),
                    None => {
                        return self.wrong(
                            item,
                            "this is not the hash of a password that a command wrote",
                        );
                    }
                },
                "mounts" => {
                    for (at, item) in entries(self.table(item)?) {
                        match self.mount(at, item)? {
                            Mount { at: None, rights, .. } => home_rights = rights,
                            mount => mounts.push(mount),
                        }
                    }
                }
                "keys" => keys = self.keys(user, self.table(item)?, owners)?,
                "invitations" => invitations = self.invitations(self.table(item)?)?,
                _ => return self.wrong_key(key, UNKNOWN_FIELD),
            }
        }
        mounts.push(Mount {
            at: None,
            directory: home.path().cloned(),
            rights: home_rights,
            home: true,
        });
        let access = Access::new(mounts, quota)
            .map_err(|error| self.error(name.span(), error.to_string()))?;
        Ok(StoredAccount { access: Arc::new(access), disabled, password, keys, invitations })
    }
    fn mount(&self, at: &Key, item: &Item) -> Result<Mount, FormatError> {
        let Ok(place) = at.get().parse::<Place>() else {
            return self.wrong_key(at, "is not a path");
        };
        let (mut directory, mut rights) = (place.clone(), None);
        match item.as_table_like() {
            Some(table) => {
                for (key, item) in entries(table) {
                    match key.get() {
                        "directory" if place != Place::ROOT => directory = self.place(item)?,
                        "directory" => {
                            return self.wrong(item, "the directory of the root is `home`");
                        }
                        "rights" => rights = Some(self.rights(item)?),
                        _ => {
                            return self
                                .wrong_key(key, "is unknown: there are directory and rights");
                        }
                    }
                }
            }
            None => rights = Some(self.rights(item)?),
        }
        let Some(rights) = rights else { return self.wrong_key(at, "has no rights") };
        Ok(Mount {
            at: place.path().cloned(),
            directory: directory.path().cloned(),
            rights,
            home: false,
        })
    }

    fn keys(
        &self,
        user: &UserName,
        table: &dyn TableLike,
        owners: &mut BTreeMap<Fingerprint, UserName>,
    ) -> Result<BTreeMap<Fingerprint, String>, FormatError> {
        let mut keys = BTreeMap::new();
        for (key, item) in entries(table) {
            let fingerprint = match key.get().parse::<Fingerprint>() {
                Ok(fingerprint) => fingerprint,
                Err(error) => return self.wrong_key(key, &format!("is none: {error}")),
            };
            let comment = self.text(item)?;
            if !is_comment(comment) {
                return self.wrong(
                    item,
                    format!("a comment is one line of at most {MAX_COMMENT_BYTES} bytes"),
                );
            }
            if let Some(owner) = owners.insert(fingerprint, user.clone()) {
                return self.wrong_key(key, &format!("is a key of {owner} as well"));
            }
            keys.insert(fingerprint, comment.to_owned());
        }
        Ok(keys)
    }

    fn invitations(
        &self,
        table: &dyn TableLike,
    ) -> Result<BTreeMap<InvitationHash, u64>, FormatError> {
        let mut invitations = BTreeMap::new();
        for (key, item) in entries(table) {
            let Some(hash) = InvitationHash::parse(key.get()) else {
                // It may be an invitation itself.
                return Err(self.error(key.span(), "this is not the hash of an invitation"));
            };
            invitations.insert(hash, self.number(item)?);
        }
        Ok(invitations)
    }
}

fn entries(table: &dyn TableLike) -> impl Iterator<Item = (&Key, &Item)> {
    table.iter().filter_map(|(name, _)| table.get_key_value(name))
}
