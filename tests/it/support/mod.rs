//! What several tests share: a running server and a client that speaks in texts.

mod client;
mod server;

pub(crate) use client::{Answer, Client, Question};
pub(crate) use server::{KEY, Server};
