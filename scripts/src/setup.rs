//! The options of a script's server.

use std::str::FromStr;
use std::time::Duration;

use haul_core::server::ServerConfig;

/// The options of a script's server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// The configuration of the machine.
    pub config: ServerConfig,
    /// Whether names that begin with `.` are served.
    pub hidden: bool,
}

impl Setup {
    /// Sets an option by its name in scripts.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let limits = &mut self.config.limits;
        let timing = &mut self.config.timing;
        match key {
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

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{value} is no value of {key}"))
}
