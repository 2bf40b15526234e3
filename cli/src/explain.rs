//! Errors of a wrong command line.

use clap::error::{ContextKind, ContextValue};

use crate::address::without_invitation;
use crate::error::Error;

/// Explains a wrong command line in one line.
pub(crate) fn explain(error: &clap::Error) -> Error {
    let rendered = error.render().to_string();
    let rendered = without_invitation(&rendered);
    // clap's paragraphs are: the error, tips if there are any, the usage, and where to find help.
    let mut paragraphs = rendered
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.starts_with("Usage:") && !text.starts_with("For more information"));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    let tips: Vec<String> = paragraphs.map(|tip| tip.replacen("tip: ", "", 1)).collect();
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let command: Vec<&str> = usage
        .split_whitespace()
        .skip_while(|word| *word == "Usage:")
        .take_while(|word| !word.starts_with(['-', '[', '<']))
        .collect();
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let serves = command.last() == Some(&"serve");
    let administers = command.get(1) == Some(&"user");
    let meant = word(ContextKind::InvalidSubcommand)
        .and_then(if administers { meant_by_administrator } else { meant })
        .or_else(|| meant_option(word(ContextKind::InvalidArg)?, serves));
    // clap suggests words that look alike.
    let tips = if meant.is_some() { Vec::new() } else { tips };
    let help = ["see"].into_iter().chain(command).chain(["--help"]).collect::<Vec<_>>().join(" ");
    let advice = meant
        .map(String::from)
        .into_iter()
        .chain(tips)
        .chain([help])
        .collect::<Vec<_>>()
        .join("; ");
    Error::usage(what).advise(advice)
}

/// The command for what other programs, or the protocol, call by this word.
fn meant(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "upload" | "up" | "send" | "push" | "store" | "add" => "put uploads files to the server",
        "download" | "down" | "fetch" | "pull" | "receive" | "recv" | "cat" | "mget" => {
            "get downloads files from the server; -o - prints one"
        }
        "copy" | "scp" | "sync" | "rsync" | "mput" => {
            "put uploads files, get downloads them, cp copies files on the server"
        }
        "list" | "dir" | "ll" | "la" | "find" | "tree" => {
            "ls lists files on the server; -r lists all of them"
        }
        "server" | "start" | "daemon" | "listen" | "share" | "run" => "serve serves a directory",
        "connect" | "open" | "session" | "ftp" | "client" => "shell takes commands line by line",
        "del" | "delete" | "remove" | "unlink" | "rmdir" | "erase" => {
            "rm deletes files and directories on the server"
        }
        "move" | "rename" | "ren" => "mv moves and renames files and directories on the server",
        "md" | "makedir" => "mkdir makes directories on the server",
        "checksum" | "cksum" | "crc" | "hash" | "md5sum" | "sha256sum" | "verify" | "check"
        | "diff" | "cmp" => "sum prints checksums; sum --check compares with the files here",
        "cd" | "chdir" | "pwd" => "cd is for the shell; --server haul://HOST/DIR begins in DIR",
        "exit" | "quit" | "bye" | "logout" | "close" | "disconnect" => {
            "each command ends by itself; EXIT is for the shell"
        }
        "users" | "adduser" | "useradd" | "account" | "accounts" | "passwd" | "grant" => {
            "user administers the accounts of a server on this machine"
        }
        _ => return None,
    })
}

/// What `user` does by the words that other programs have for it.
fn meant_by_administrator(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "create" | "new" => "user add adds an account",
        "delete" | "del" | "rm" => "user remove removes an account; its files stay",
        "ls" => "user list lists the accounts",
        "info" | "get" => "user show shows an account",
        "lock" | "block" => "user disable keeps a user out",
        "unlock" | "unblock" => "user enable lets a user in again",
        "password" => "user passwd sets a password",
        "allow" | "chmod" => "user grant gives a directory and rights there",
        "deny" => "user revoke takes a directory from a user",
        "can" | "may" => "user check says whether a user may do something",
        _ => return None,
    })
}

/// The option for what other programs call by this one.
fn meant_option(option: &str, serves: bool) -> Option<&'static str> {
    Some(match option {
        "--host" | "--hostname" | "--port" | "-p" | "-P" | "--bind" | "--address" if serves => {
            "--listen HOST:PORT says where to serve"
        }
        "--host" | "--hostname" | "--port" | "-p" | "-P" | "--address" | "--url" => {
            "--server HOST:PORT names the server"
        }
        "-R" if !serves => "-r takes directories",
        _ => return None,
    })
}
