//! The options of a script's server.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use haul_core::StoreError;
use haul_core::account::{Proof, UserName};
use haul_core::server::ServerConfig;
use haul_store::Identify;

/// The options of a script's server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// The configuration of the machine.
    pub config: ServerConfig,
    /// Whether names that begin with `.` are served.
    pub hidden: bool,
    /// The users and their passwords. If there are any, clients must be identified. Each may do everything.
    pub users: BTreeMap<UserName, String>,
}

impl Setup {
    /// Checks who a client is.
    pub fn identify(&self) -> Box<dyn Identify> {
        Box::new(Passwords(self.users.clone()))
    }

    /// Sets an option by its name in scripts.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let limits = &mut self.config.limits;
        let timing = &mut self.config.timing;
        match key {
            "user" => {
                let (user, password) = value.split_once(':').ok_or("a user has a password")?;
                self.users.insert(parse(key, user)?, password.to_owned());
            }
            "hidden" => self.hidden = parse(key, value)?,
            "durable" => self.config.durable = parse(key, value)?,
            "banner" => value.clone_into(&mut self.config.banner),
            "max-data" => limits.max_data = parse(key, value)?,
            "pipeline" => limits.pipeline = parse(key, value)?,
            "chunk" => limits.chunk = parse(key, value)?,
            "max-file-size" => limits.max_file_size = Some(parse(key, value)?),
            "max-discard" => limits.max_discard = parse(key, value)?,
            "list-batch" => limits.list_batch = parse(key, value)?,
            "idle-ms" => timing.idle = Duration::from_millis(parse(key, value)?),
            "line-ms" => timing.line = Duration::from_millis(parse(key, value)?),
            "window-ms" => timing.window = Duration::from_millis(parse(key, value)?),
            _ => return Err(format!("there is no option {key}")),
        }
        Ok(())
    }
}

/// Users with passwords.
struct Passwords(BTreeMap<UserName, String>);

impl Identify for Passwords {
    fn identify(&mut self, user: &UserName, proof: &Proof) -> Result<bool, StoreError> {
        Ok(match proof {
            Proof::Password(secret) => {
                self.0.get(user).is_some_and(|password| password == secret.expose())
            }
            Proof::Invite(_) => false,
        })
    }
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{value} is no value of {key}"))
}
