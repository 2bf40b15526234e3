//! Both machines as a transport drives them, under every schedule and fault that `haul-harness` can produce.

mod bodies;
mod client_endings;
mod client_hostile;
mod client_states;
mod commit;
mod drain;
mod eager;
mod faults;
mod gathered;
mod grammar;
mod identification;
mod joined;
mod joined_cancels;
mod joined_faults;
mod misuse;
mod options;
mod passing;
mod progress;
mod robust;
mod server_states;
mod sessions;
mod strategies;
mod timing;
mod transcript;
mod values;
mod writes;
