//! What a user may do.

use core::fmt;
use core::str::FromStr;

macro_rules! words {
    ($(#[$docs:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All of them, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Parses the word; `None` for another one.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// A right.
    Right:
    /// LIST.
    List = "list",
    /// DOWNLOAD, CHECKSUM, and to read what COPY copies.
    Get = "get",
    /// UPLOAD and COPY to a new name.
    Put = "put",
    /// UPLOAD, COPY and MOVE onto an existing file.
    Replace = "replace",
    /// MKDIR, and to make the missing parents of a new name.
    MakeDirectory = "mkdir",
    /// DELETE.
    Delete = "delete",
    /// To take a file or a directory away with MOVE.
    Move = "move",
}

words! {
    /// A set of rights that has a name.
    Role:
    /// `list` and `get`.
    Read = "read",
    /// `put` and `mkdir`: a drop box.
    Drop = "drop",
    /// `list`, `get`, `put` and `mkdir`: nothing is replaced or removed.
    Add = "add",
    /// All rights.
    Write = "write",
}

impl Role {
    /// The rights of the role.
    pub fn rights(self) -> Rights {
        use Right::{Get, List, MakeDirectory, Put};
        match self {
            Self::Read => Rights::of(&[List, Get]),
            Self::Drop => Rights::of(&[Put, MakeDirectory]),
            Self::Add => Rights::of(&[List, Get, Put, MakeDirectory]),
            Self::Write => Rights::ALL,
        }
    }
}

/// A set of rights.
///
/// It is written as the words of its rights, separated by single spaces.
///
/// ```
/// use haul_core::account::{Right, Rights, Role};
///
/// let rights: Rights = "get list".parse().expect("they are rights");
/// assert_eq!(rights, Role::Read.rights());
/// assert_eq!(rights.to_string(), "list get");
/// assert!(rights.contain(Right::Get) && !rights.contain(Right::Put));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u8);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// Every right.
    pub const ALL: Self = Self((1 << Right::ALL.len()) - 1);

    /// The set of these rights.
    pub fn of(rights: &[Right]) -> Self {
        rights.iter().fold(Self::NONE, |set, right| set.with(*right))
    }

    /// The set with one more right.
    #[must_use]
    pub fn with(self, right: Right) -> Self {
        Self(self.0 | 1 << right as u8)
    }

    /// Whether the right is one of them.
    pub fn contain(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The rights, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.iter().copied().filter(move |right| self.contain(*right))
    }
}

impl FromStr for Rights {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        let words = text.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| Right::parse(word).ok_or(UnknownRight))
            .try_fold(Self::NONE, |set, right| Ok(set.with(right?)))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, right) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(right.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

/// A word is not that of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rights are list, get, put, replace, mkdir, delete and move")]
pub struct UnknownRight;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn roles_have_their_rights() {
        let rights = |role: Role| role.rights().to_string();
        assert_eq!(rights(Role::Read), "list get");
        assert_eq!(rights(Role::Drop), "put mkdir");
        assert_eq!(rights(Role::Add), "list get put mkdir");
        assert_eq!(rights(Role::Write), "list get put replace mkdir delete move");
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(*role));
            assert_eq!(role.to_string().parse::<Rights>(), Err(UnknownRight));
        }
    }

    #[test]
    fn each_right_is_one_of_its_own() {
        for one in Right::ALL {
            let set = Rights::of(&[*one]);
            assert!(Right::ALL.iter().all(|other| set.contain(*other) == (one == other)));
            assert_eq!(one.as_str().parse(), Ok(set));
        }
        assert_eq!("".parse(), Ok(Rights::NONE));
        assert!(Rights::NONE.is_empty() && !Rights::ALL.is_empty());
        assert_eq!(" move  list ".parse::<Rights>().unwrap().to_string(), "list move");
    }
}
