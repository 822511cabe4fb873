//! The gRPC door: translate, ask, translate.

pub mod proto;
