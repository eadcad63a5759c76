//! Tests that need a real kernel or real servers. One program, one module for each claim.
//!
//! A test that can't run here says so on standard error, with its reason
//! (`support::skip`), and `.ci/run` counts those lines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that panics has failed, and its files are thrown away"
)]

mod archives;
mod audit;
mod build_scripts;
mod calls;
mod cgroup;
mod choosing;
mod client_configs;
mod confinement;
#[path = "confinement/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "the same claims about the other tier")]
mod confinement_in_the_base_tier;
mod conformance;
mod daemon;
mod doctor_attack;
mod documentation;
mod documented_order;
mod egress;
mod either_side_ends;
mod escape;
mod explain;
mod export;
mod fails_closed;
mod foreign_links;
mod gc;
mod granted_questions;
mod hostile_tarballs;
mod hostile_wheels;
mod incidents;
mod install_scripts;
mod kept_files;
mod killed_add;
mod launch_refused;
mod line_length;
mod listed_calls;
mod long_session;
mod lying_registry;
mod matrix;
mod npm_closure;
mod npx_command;
mod observed_runs;
mod official_clients;
mod one_byte;
mod one_reading_answers;
mod one_reading_parsers;
mod one_reading_requests;
mod pinned_definitions;
mod platforms;
mod profiles;
mod published_digest;
mod published_schemas;
mod quarantine;
mod readable_files;
mod reference_servers;
#[path = "reference_servers.rs"]
#[expect(clippy::duplicate_mod, reason = "the same claims about the other tier")]
mod reference_servers_in_the_base_tier;
mod registry_signatures;
mod registry_tokens;
#[path = "../tests/relay_model/mod.rs"]
mod relay_model;
mod release_age;
mod removing;
mod resource_limits;
mod runtimes;
mod sbom;
mod secrets;
mod server_json;
mod server_rights;
mod server_table;
mod session_ends;
#[path = "session_ends.rs"]
#[expect(clippy::duplicate_mod, reason = "the same claims about the other tier")]
mod session_ends_in_the_base_tier;
mod shared_limits;
mod short_name;
mod slow_reader;
mod smoke;
mod stray_output;
mod support;
mod swapped_grant;
mod two_adds;
mod unlocked_changes;
mod update;
mod verify_online;
mod watching;
mod why;
mod without_network;
mod workloads;
#[path = "workloads.rs"]
#[expect(clippy::duplicate_mod, reason = "the same claims about the other tier")]
mod workloads_in_the_base_tier;
