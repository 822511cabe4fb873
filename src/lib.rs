//! Kilwa answers one question: may this subject do this on that resource?

pub mod relationship;

pub mod caveat;

pub mod schema;

pub mod engine;

pub mod store;

pub mod database;

pub mod validation;

pub mod api;

pub mod config;
pub mod server;
pub mod telemetry;

pub mod client;

pub mod cli;
