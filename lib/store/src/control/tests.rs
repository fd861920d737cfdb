//! The control socket as a file and as a conversation; what it answers is the conformance suite's matter.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use listmill_core::StoreView;
use listmill_core::settings::Cascade;
use tempfile::TempDir;

use super::{ControlError, RemoteStore, Server};
use crate::{OpenError, SledStore, Store};

fn store(dir: &TempDir) -> Arc<dyn Store> {
    Arc::new(SledStore::open(&dir.path().join("store"), Cascade::default()).unwrap())
}

fn bind(socket: &Path, store: Arc<dyn Store>) -> Result<Server, ControlError> {
    Server::bind(socket, store, Arc::new(|| serde_json::json!({ "runners": 7 })))
}

fn error(result: Result<Server, ControlError>) -> ControlError {
    result.err().expect("it cannot be served")
}

#[test]
fn the_socket_is_private_replaces_a_dead_one_and_is_gone_behind_the_server() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(RemoteStore::connect(&socket).is_err());
    let server = bind(&socket, store(&dir)).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let remote = RemoteStore::connect(&socket).unwrap();
    assert_eq!(remote.status().unwrap()["runners"], 7);
    drop(server);
    assert!(!socket.exists());
    assert!(remote.status().unwrap_err().reason.contains("control.sock"));
    // Nobody holds the store any more, though the other end of the connection is still open.
    store(&dir);
}

#[test]
fn a_place_where_no_socket_can_be_is_named() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let long = dir.path().join("x".repeat(120));
    let told = error(bind(&long, store.clone()));
    assert!(matches!(told, ControlError::TooLong(_)) && told.to_string().contains("107"), "{told}");

    let file = dir.path().join("file");
    fs::write(&file, "somebody's").unwrap();
    assert!(matches!(error(bind(&file, store.clone())), ControlError::NotASocket(_)));
    assert_eq!(fs::read(&file).unwrap(), b"somebody's");

    let missing = dir.path().join("missing/control.sock");
    assert!(matches!(error(bind(&missing, store.clone())), ControlError::Io { .. }));

    let socket = dir.path().join("control.sock");
    let _served = bind(&socket, store.clone()).unwrap();
    assert!(matches!(error(bind(&socket, store)), ControlError::InUse(_)));
    RemoteStore::connect(&socket).unwrap().status().unwrap();
}

#[test]
fn what_is_not_understood_is_answered_and_the_conversation_goes_on() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control.sock");
    let _server = bind(&socket, store(&dir)).unwrap();
    let mut stream = UnixStream::connect(&socket).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    for (question, expected) in [
        ("hello", "not_understood"),
        (r#"{"ask":"more"}"#, "not_understood"),
        (r#"{"ask":"staff","list":"dev@lists.example.org","role":"boss"}"#, "not_understood"),
        (r#"{"ask":"member","list":"no list","address":"bob@example.net"}"#, "not_understood"),
        (r#"{"ask":"status"}"#, r#"{"done":{"runners":7}}"#),
    ] {
        writeln!(stream, "{question}").unwrap();
        let answer = answers.next().unwrap().unwrap();
        assert!(answer.contains(expected), "{question}: {answer}");
    }
}

#[test]
fn more_connections_than_there_are_threads_for_are_turned_away_with_a_reason() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control.sock");
    let _server = bind(&socket, store(&dir)).unwrap();
    let many: Vec<RemoteStore> = (0..64).map(|_| RemoteStore::connect(&socket).unwrap()).collect();
    assert!(many.iter().all(|remote| remote.status().is_ok()));
    let reason = RemoteStore::connect(&socket).unwrap().status().unwrap_err().reason;
    assert!(reason.contains("too many"), "{reason}");
}

#[test]
fn an_owner_that_closes_a_connection_is_asked_over_a_new_one() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control.sock");
    let first = bind(&socket, store(&dir)).unwrap();
    let remote = RemoteStore::connect(&socket).unwrap();
    let keys = remote.signing_keys().unwrap();
    drop(first);
    let _second = bind(&socket, store(&dir)).unwrap();
    assert_eq!(remote.signing_keys(), Ok(keys));
}

#[test]
fn who_owns_the_store_and_does_not_answer_is_told_of() {
    let dir = TempDir::new().unwrap();
    let _owned = store(&dir);
    let (path, socket) = (dir.path().join("store"), dir.path().join("control.sock"));
    let patience = std::time::Duration::from_millis(60);
    let told = crate::open::open_within(patience, &path, &socket, Cascade::default()).unwrap_err();
    assert!(matches!(told, OpenError::Silent { .. }), "{told}");
    for word in ["store", "control.sock", "in use", "stop the process"] {
        assert!(told.to_string().contains(word), "{told}");
    }
}
