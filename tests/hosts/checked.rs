//! What `check --host` says, and which site files cannot be.

use listmill_tests::hosts::PLACEMENT;
use listmill_tests::program::Site;

const SECRETS: &str = "[queue]\nbackend = \"amqp\"\nurl = \"amqp://listmill-{host}@127.0.0.1:1/\"\npassword_file = \"secrets/queue-{host}\"\n\
                       [store]\nbackend = \"postgres\"\nurl = \"postgres://listmill@127.0.0.1:1/listmill\"\npassword_file = \"secrets/store\"\n";

const IN_FRONT_OF_ITSELF: &str = "[queue]\nbackend = \"amqp\"\nurl = \"amqp://listmill-{host}@127.0.0.1:1/\"\n\
                                  [queue.pending]\nvia = \"amqp://listmill-{host}@127.0.0.1:1/\"\n";

fn host(name: &str, more: &str) -> Site {
    let text = format!(
        "[site]\ndomains = [\"lists.example.org\"]\n[outbound]\nrelay = \"maildir:copies\"\n{more}\n{PLACEMENT}"
    );
    Site::on_host(name, &text, &[])
}

/// What `check` prints, whatever it exits with.
fn checked(site: &Site) -> String {
    String::from_utf8(site.with_input(&["check"], b"").stdout).unwrap()
}

fn put(site: &Site, file: &str) {
    let path = site.dir().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "secret\n").unwrap();
}

#[test]
fn a_host_without_a_store_must_not_have_one() {
    let site = host("mx1", "");
    let told = checked(&site);
    assert!(told.contains("ok     host mx1: inbound") && told.contains("ok     no store"), "{told}");
    assert!(told.contains("note   directory"), "{told}");
    std::fs::create_dir_all(site.dir().join("data/store")).unwrap();
    let told = checked(&site);
    assert!(told.contains("WRONG  no store") && told.contains("data/store"), "{told}");
    site.fails(78, &["check"], b"");
    let told = host("elsewhere", "").fails(78, &["check"], b"");
    assert!(told.contains("elsewhere") && told.contains("mx1"), "{told}");
}

#[test]
fn a_password_that_is_not_this_hosts_must_not_be_here() {
    let site = host("mx1", SECRETS);
    put(&site, "secrets/queue-mx1");
    assert!(checked(&site).contains("ok     credentials") && checked(&site).contains("ok     no store"));
    put(&site, "secrets/queue-db1");
    put(&site, "secrets/store");
    let told = checked(&site);
    assert!(told.contains("WRONG  credentials") && told.contains("queue-db1 belongs to db1"), "{told}");
    assert!(told.contains("WRONG  no store") && told.contains("secrets/store"), "{told}");
    // What must not be on one host has to be on another.
    let site = host("db1", SECRETS);
    put(&site, "secrets/queue-db1");
    let told = site.fails(78, &["run"], b"");
    assert!(told.contains("secrets/store"), "{told}");
}

#[test]
fn a_database_that_answers_a_host_without_a_store_is_wrong() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let site = host("mx1", &SECRETS.replace("listmill@127.0.0.1:1", &format!("listmill@127.0.0.1:{port}")));
    put(&site, "secrets/queue-mx1");
    let told = checked(&site);
    assert!(told.contains(&format!("the database answers at 127.0.0.1, port {port}")), "{told}");
}

#[test]
fn what_cannot_be_is_an_error_that_names_the_key() {
    for (more, key) in [
        ("[queue]\nbackend = \"amqp\"\n", "queue.url"),
        ("[queue.outbound]\nbackend = \"amqp\"\n", "queue.url"),
        ("[queue.outbound]\nbackend = \"carrier pigeon\"\n", "queue.outbound.backend"),
        ("[queue]\nbackend = \"pigeon\"\n", "queue.backend"),
        ("[queue.outbond]\nbackend = \"disk\"\n", "outbond"),
        ("[queue]\nurl = \"http://127.0.0.1\"\n", "queue.url"),
        ("[queue]\nurl = \"amqp://u@{host}/\"\n", "queue.url"),
        ("[queue]\nurl = \"amqp://u@127.0.0.1/\"\nca_file = \"x\"\n", "queue.ca_file"),
        ("[queue]\nurl = \"amqp://127.0.0.1/\"\npassword_file = \"x\"\n", "queue.password_file"),
        ("[queue]\npassword_file = \"x\"\n", "queue.password_file"),
        ("[queue]\nurl = \"amqp://u@127.0.0.1/\"\n[queue.auth]\nbackend = \"amqp\"\npath = \"x\"\n", "queue.auth.path"),
        (IN_FRONT_OF_ITSELF, "queue.pending.via"),
        ("[queue]\nprefetch = 0\n", "queue.prefetch"),
        ("[queue]\nspool_limit = \"much\"\n", "queue.spool_limit"),
        ("[store]\nbackend = \"postgres\"\n", "store.url"),
        ("[store]\nbackend = \"oracle\"\n", "store.backend"),
        ("[store]\nbackend = \"postgres\"\nurl = \"mysql://x\"\n", "store.url"),
        ("[hosts]\n\"a b\" = [\"inbound\"]\n", "hosts.a b"),
        ("[hosts]\na = [\"inbund\"]\n", "hosts.a"),
    ] {
        let site = Site::new("maildir:copies", more);
        let told = site.fails(78, &["check"], b"");
        assert!(told.contains(key), "{more}: {told}");
    }
}
