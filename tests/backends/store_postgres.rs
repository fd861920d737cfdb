//! The store in PostgreSQL, against a real server.

use std::sync::Arc;

use listmill_core::settings::Cascade;
use listmill_store::PostgresStore;
use listmill_tests::postgres::{PostgresServer, shared};

use crate::store_conformance::{Made, exercise};

exercise!(suite, super::make, super::is_here);

fn is_here(_: bool) -> bool {
    shared().is_some()
}

fn server() -> &'static PostgresServer {
    shared().expect("it was there a moment ago")
}

fn make(cascade: Cascade) -> Made {
    let config = server().database();
    let database = config.url.rsplit('/').next().unwrap().to_owned();
    let store = PostgresStore::open(&config, cascade).unwrap();
    let compact = Box::new(move || assert!(server().psql(&database, "VACUUM FULL")));
    Made { store: Arc::new(store), compact, _keep: Box::new(()) }
}
