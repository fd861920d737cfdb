//! The embedded store, owned by this process and over its control socket.

use std::sync::Arc;

use listmill_core::settings::Cascade;
use listmill_store::SledStore;
use listmill_store::control::{RemoteStore, Server};
use tempfile::TempDir;

use crate::store_conformance::{Made, exercise};

exercise!(own, super::make_own);
exercise!(remote, super::make_remote);

fn make_own(cascade: Cascade) -> Made {
    let dir = TempDir::new().unwrap();
    let store = SledStore::open(&dir.path().join("store"), cascade).unwrap();
    Made { store: Arc::new(store), compact: Box::new(|| ()), _keep: Box::new(dir) }
}

fn make_remote(cascade: Cascade) -> Made {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control.sock");
    let store = SledStore::open(&dir.path().join("store"), cascade).unwrap();
    let server = Server::bind(&socket, Arc::new(store), Arc::new(|| serde_json::json!({}))).unwrap();
    let store = RemoteStore::connect(&socket).unwrap();
    Made { store: Arc::new(store), compact: Box::new(|| ()), _keep: Box::new((server, dir)) }
}
