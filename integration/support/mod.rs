//! What the tests share: a home of their own, the program, a raw client, a registry, skips.

pub(crate) mod bare;
mod client;
pub(crate) mod collector;
mod home;
mod https;
pub(crate) mod index;
pub(crate) mod installed;
mod machine;
mod network;
mod package;
pub(crate) mod page;
pub(crate) mod processes;
mod registry;
mod sarif_schema;
mod sbom_tools;
mod scripts;
pub(crate) mod sdk;
pub(crate) mod sdk_servers;
mod static_program;
mod terminal;
pub(crate) mod tools;
mod world;
mod zipped;

pub(crate) use client::Client;
pub(crate) use home::{Home, Ran, at_terminal};
pub(crate) use https::HttpsFolder;
pub(crate) use machine::{
    Tier, fixture, is_root, npm_view, registry_is_reachable, skip, with_mounts,
};
pub(crate) use network::without_network;
pub(crate) use package::{Package, gzip, integrity, tar_entry, tar_header};
pub(crate) use registry::{Fault, Registry, credentials, refused, say};
pub(crate) use sarif_schema::sarif_schema;
pub(crate) use sbom_tools::sbom_tools;
pub(crate) use scripts::Script;
pub(crate) use static_program::static_program;
pub(crate) use terminal::{Ended, Terminal};
pub(crate) use world::{Authority, Name, World};
pub(crate) use zipped::zipped;
