//! Servers, mirrors and routers in processes of their own, over real connections of zenoh.
#![allow(missing_docs)]

mod common;
mod cuts;
mod links;
mod peers;
mod queues;
mod tls;
