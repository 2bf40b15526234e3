//! Random bytes.

use crate::error::AccountsError;

/// Random bytes from the operating system, for secrets and salts.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AccountsError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| AccountsError::NoRandomness)?;
    Ok(bytes)
}
