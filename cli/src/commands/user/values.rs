//! What stands on the command line.

use haul_accounts::{NewGrant, Place};
use haul_core::PathError;
use haul_core::account::{Rights, Role};

use crate::names;

/// Reads a place in the view of a user, as other commands read names: a `/` in front or behind changes nothing.
pub(super) fn place(text: &str) -> Result<Place, PathError> {
    if text.is_empty() { Err(PathError::Empty) } else { names::path(text).map(Place::from) }
}

/// Reads a directory of the share.
pub(super) fn directory(text: &str) -> Result<Place, String> {
    if text.starts_with('/') {
        return Err(String::from(
            "a directory within the share, such as people/alice, or . for all of it",
        ));
    }
    place(text).map_err(|error| error.to_string())
}

/// Reads `PATH=ROLE`.
pub(super) fn grant(text: &str) -> Result<NewGrant, String> {
    let form = || String::from("a grant is PATH=ROLE, such as photos=read or photos=list+get");
    let (path, role) = text.rsplit_once('=').ok_or_else(form)?;
    let at = place(path).map_err(|error| error.to_string())?;
    Ok(NewGrant { at, directory: None, rights: rights(role)? })
}

/// Reads a role, or rights between `+` or spaces.
fn rights(text: &str) -> Result<Rights, String> {
    if let Some(role) = Role::parse(text) {
        return Ok(role.rights());
    }
    let rights = text.replace('+', " ").parse::<Rights>().map_err(|error| error.to_string());
    match rights {
        Ok(rights) if rights.is_empty() => Err(String::from("no right; revoke takes them away")),
        Ok(rights) => Ok(rights),
        Err(rights) => Err(format!("a role is read, drop, add or write; {rights}, as in list+get")),
    }
}

/// The role that has just these rights, or the rights.
pub(super) fn role(rights: Rights) -> String {
    if rights.is_empty() {
        return String::from("no rights");
    }
    let role = Role::ALL.iter().find(|role| role.rights() == rights);
    role.map_or_else(|| rights.to_string(), Role::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_path_and_a_role() {
        for (text, path, rights) in [
            ("photos=read", "photos", "list get"),
            ("/photos/=drop", "photos", "put mkdir"),
            ("a/b=add", "a/b", "list get put mkdir"),
            (".=write", ".", "list get put replace mkdir delete move"),
            ("/=read", ".", "list get"),
            ("a=b=get+list", "a=b", "list get"),
            ("a=put  get", "a", "get put"),
        ] {
            let NewGrant { at, directory, rights: granted } = grant(text).unwrap();
            assert_eq!((at.as_str(), granted.to_string().as_str()), (path, rights), "{text}");
            assert_eq!(directory, None);
        }
        for (text, part) in [
            ("photos", "PATH=ROLE"),
            ("=read", "at least one byte"),
            ("../x=read", ".."),
            ("x=", "no right"),
            ("x=++", "no right"),
            ("x=Read", "a role is read, drop, add or write; the rights are list, get"),
            ("x=list,get", "as in list+get"),
        ] {
            let error = grant(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_role_is_written_by_its_name() {
        let written = |text: &str| role(rights(text).unwrap());
        for (text, name) in
            [("list+get", "read"), ("get+put+mkdir", "get put mkdir"), ("write", "write")]
        {
            assert_eq!(written(text), name);
        }
        assert_eq!(role(Rights::NONE), "no rights");
    }

    #[test]
    fn a_directory_lies_in_the_share() {
        assert_eq!(directory(".").unwrap(), Place::ROOT);
        assert_eq!(directory("./people//alice/").unwrap().as_str(), "people/alice");
        for (text, part) in
            [("/home/alice", "within the share"), ("", "at least one byte"), ("a/../b", "..")]
        {
            let error = directory(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
