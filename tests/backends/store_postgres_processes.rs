//! Several processes that work with one store in PostgreSQL, and a server that dies under them.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use listmill_core::settings::Cascade;
use listmill_core::{Commit, CommitError, Committed, Member, MessageFile, StoreChange, StoreView, Verdict};
use listmill_store::{PostgresConfig, PostgresStore, Store, postgres};
use listmill_tests::postgres::{PASSWORD, PostgresServer, own, shared};

use crate::store_conformance::{
    add, address, apply, batch, create, decide, dev, hold, list, member, remove, whole_roster,
};

/// As many processes as there are stores: each has its connections and its presence.
const PROCESSES: usize = 4;

fn open(config: &PostgresConfig) -> PostgresStore {
    PostgresStore::open(config, Cascade::default()).unwrap()
}

/// What `work` gives in each of the processes, which do it at the same time.
fn in_each<T: Send>(config: &PostgresConfig, work: impl Fn(usize, &PostgresStore) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|threads| {
        let running: Vec<_> = (0..PROCESSES).map(|number| threads.spawn(move || work(number, &open(config)))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Asks until there is an answer: the database may be on its way.
fn patiently<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "there is no answer");
        thread::yield_now();
    }
}

#[test]
fn every_statement_fits_the_schema_and_a_newer_one_is_refused() {
    let Some(server) = shared() else { return };
    let config = server.database();
    let found = postgres::check(&config).unwrap();
    assert_eq!((found.schema, found.warnings.as_slice()), (1, &[] as &[String]));
    assert!(!found.server.is_empty() && !found.location.contains(PASSWORD), "{found:?}");
    assert_eq!(postgres::check(&config).unwrap(), found, "a schema that is there is left alone");

    let database = config.url.rsplit('/').next().unwrap();
    let newer =
        "INSERT INTO refinery_schema_history SELECT 99, 'x', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    assert!(server.psql(database, newer));
    let reason = open(&config).list(&dev()).unwrap_err().reason;
    assert!(reason.contains("schema 99") && reason.contains("newer release"), "{reason}");
}

#[test]
fn of_several_processes_one_makes_the_schema_and_all_have_the_same_keys() {
    let Some(server) = shared() else { return };
    let config = server.database();
    let keys = in_each(&config, |_, store| store.signing_keys().unwrap());
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn of_several_who_decide_or_join_one_wins() {
    const POSTS: u64 = 60;
    let Some(server) = shared() else { return };
    let config = server.database();
    let first = open(&config);
    apply(&first, vec![create(&dev())]);
    in_each(&config, |_, store| {
        for _ in 0..POSTS / PROCESSES as u64 {
            apply(store, vec![hold(&dev(), "s", vec![b'x'; 3000])]);
        }
    });
    let numbers: Vec<u64> = first.held(&dev(), None, 999).unwrap().iter().map(|post| post.id).collect();
    assert_eq!(numbers, (1..=POSTS).collect::<Vec<_>>(), "each has a number of its own");

    let won = in_each(&config, |_, store| {
        let tries = (1..=POSTS).map(|id| {
            let join = add(&dev(), member(&format!("m{id}@example.net")));
            let mut both = batch(vec![decide(&dev(), id, Verdict::Discard), join]);
            both.outgoing = vec![MessageFile(format!("post {id}").into_bytes())];
            match store.commit(&both) {
                Ok(Committed::Now) => 1,
                Err(CommitError::Refused(_)) => 0,
                other => panic!("{other:?}"),
            }
        });
        tries.sum::<u64>()
    });
    assert_eq!(won.iter().sum::<u64>(), POSTS, "each was decided once: {won:?}");
    assert_eq!(first.held(&dev(), None, 9), Ok(vec![]));
    assert_eq!(first.member_count(&dev()), Ok(POSTS));
    assert_eq!(first.audit(None, 999).unwrap().len() as u64, 1 + 2 * POSTS, "what is refused is not on record");
}

#[test]
fn no_update_of_a_member_is_lost() {
    const EACH: usize = 25;
    let Some(server) = shared() else { return };
    let config = server.database();
    apply(
        &open(&config),
        vec![create(&dev()), add(&dev(), Member { name: "0".to_owned(), ..member("bob@example.net") })],
    );
    let bob = address("bob@example.net");
    in_each(&config, |_, store| {
        for _ in 0..EACH {
            patiently(|| {
                let was = store.member(&dev(), &bob).unwrap().unwrap();
                let name = (was.name.parse::<usize>().unwrap() + 1).to_string();
                let counted = Member { name, ..was.clone() };
                let update = StoreChange::UpdateMember { list: dev(), was: Box::new(was), member: counted };
                store.commit(&batch(vec![update])).ok()
            });
        }
    });
    let name = open(&config).member(&dev(), &bob).unwrap().unwrap().name;
    assert_eq!(name, (PROCESSES * EACH).to_string());
}

#[test]
fn who_stand_in_each_others_way_all_get_through() {
    let Some(server) = shared() else { return };
    let config = server.database();
    let (one, other) = (list("one@lists.example.org"), list("other@lists.example.org"));
    apply(&open(&config), vec![create(&one), create(&other)]);
    // Numbers of posts are given in the order of the changes: these batches wait for each other, crosswise.
    in_each(&config, |number, store| {
        for _ in 0..15 {
            let mut holds = vec![hold(&one, "s", vec![]), hold(&other, "s", vec![])];
            if number % 2 == 0 {
                holds.reverse();
            }
            let commit = batch(holds);
            patiently(|| match store.commit(&commit) {
                Ok(_) => Some(()),
                Err(CommitError::Unavailable(reason)) => {
                    assert!(reason.contains("deadlock"), "{reason}");
                    None
                }
                Err(refused) => panic!("{refused}"),
            });
        }
    });
    for list in [one, other] {
        assert_eq!(open(&config).held(&list, None, 999).unwrap().len(), PROCESSES * 15, "{list}");
    }
}

#[test]
fn a_list_is_not_removed_under_those_who_write_to_it() {
    let Some(server) = shared() else { return };
    let config = server.database();
    let store = open(&config);
    apply(&store, vec![create(&dev())]);
    in_each(&config, |number, store| {
        for round in 0..30 {
            let done = match number {
                0 if round % 3 == 0 => {
                    store.commit(&batch(vec![StoreChange::RemoveList { list: dev() }, create(&dev())]))
                }
                1 => store.commit(&batch(vec![hold(&dev(), "s", b"x".to_vec())])),
                _ => store.commit(&batch(vec![add(&dev(), member(&format!("p{number}r{round}@example.net")))])),
            };
            assert!(matches!(done, Ok(_) | Err(CommitError::Refused(_))), "{done:?}");
        }
    });
    let roster = whole_roster(&store, &dev(), 50);
    assert_eq!(
        (store.member_count(&dev()), store.figures().unwrap().people),
        (Ok(roster.len() as u64), roster.len() as u64)
    );
    for person in &roster {
        apply(&store, vec![remove(&dev(), person.address.as_str())]);
    }
    assert_eq!(store.figures().unwrap().people, 0);
}

#[test]
fn what_a_dead_process_had_to_send_is_sent_by_one_other() {
    let Some(server) = shared() else { return };
    let config = server.database();
    let first = open(&config);
    let mut commit = batch(vec![create(&dev())]);
    commit.outgoing = vec![MessageFile(b"one".to_vec()), MessageFile(b"two".to_vec())];
    assert_eq!(first.commit(&commit), Ok(Committed::Now));
    let kept = vec![(commit.id, commit.outgoing.clone())];
    let others = [open(&config), open(&config)];
    assert_eq!(others[0].outbox(9), Ok(vec![]), "who has committed it is here, and sends it");
    assert_eq!(others[0].commit(&commit), Ok(Committed::Before(commit.outgoing.clone())));
    assert_eq!(first.outbox(9), Ok(kept.clone()));
    drop(first);
    let taken = Mutex::new(Vec::new());
    patiently(|| {
        thread::scope(|threads| {
            for store in &others {
                threads.spawn(|| taken.lock().unwrap().extend(store.outbox(9).unwrap()));
            }
        });
        (!taken.lock().unwrap().is_empty()).then_some(())
    });
    assert_eq!(*taken.lock().unwrap(), kept, "one of them has it, and not both");
    let again: Vec<_> = others.iter().flat_map(|store| store.outbox(9).unwrap()).collect();
    assert_eq!(again, kept, "and keeps it");
    others[0].outbox_done(commit.id).unwrap();
    assert!(others.iter().all(|store| store.outbox(9) == Ok(vec![])));
}

/// Says that the others may stop, also when the test fails.
struct WhenDropped<'a>(&'a AtomicBool);

impl Drop for WhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_server_that_is_killed_under_load_has_lost_nothing_that_was_committed() {
    const KILLS: u64 = 3;
    let Some(server) = PostgresServer::start() else { return };
    let config = server.database();
    apply(&open(&config), vec![create(&dev())]);
    let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (progress, seen) = mpsc::channel();
    let committed: Vec<BTreeSet<String>> = thread::scope(|threads| {
        let (server, done) = (&server, &done);
        let killer = threads.spawn(move || {
            let _in_any_case = WhenDropped(done);
            for _ in 0..KILLS {
                // Under load: some are in flight when it dies.
                (0..60).for_each(|_| seen.recv_timeout(Duration::from_secs(60)).expect("commits go on"));
                server.kill();
                server.start_again();
            }
            (0..60).for_each(|_| seen.recv_timeout(Duration::from_secs(60)).expect("commits go on after the last"));
        });
        let committed = in_each(&config, |number, store| {
            let mut mine = BTreeSet::new();
            while !done.load(Ordering::SeqCst) {
                let who = format!("p{number}n{}@example.net", mine.len());
                let commit: Commit = batch(vec![add(&dev(), member(&who)), hold(&dev(), &who, vec![b'x'; 3000])]);
                // The same batch until it is known to be applied, as the shell does.
                patiently(|| match store.commit(&commit) {
                    Ok(Committed::Now | Committed::Before(_)) => Some(()),
                    Err(CommitError::Unavailable(_)) => None,
                    Err(refused) => panic!("{refused}: it was applied, and is not known to be"),
                });
                mine.insert(who);
                count.fetch_add(1, Ordering::SeqCst);
                let _ = progress.send(());
            }
            mine
        });
        killer.join().unwrap();
        committed
    });
    let store = open(&config);
    let expected: BTreeSet<String> = committed.into_iter().flatten().collect();
    let found: BTreeSet<String> =
        whole_roster(&store, &dev(), 500).into_iter().map(|member| member.address.to_string()).collect();
    assert_eq!(found, expected);
    let commits = count.into_inner();
    assert_eq!((expected.len() as u64, store.member_count(&dev())), (commits, Ok(commits)));
    assert_eq!(
        (store.figures().unwrap().held, store.audit(None, usize::MAX).unwrap().len() as u64),
        (commits, commits + 1)
    );
}

#[test]
fn a_database_that_is_away_is_unavailable_and_then_it_is_there() {
    let Some(server) = PostgresServer::start() else { return };
    let config = server.database();
    server.stop();
    let store = open(&config);
    let reason = store.list(&dev()).unwrap_err().reason;
    assert!(reason.contains(&format!("127.0.0.1:{}", server.port())) && !reason.contains(PASSWORD), "{reason}");
    assert!(matches!(store.commit(&batch(vec![create(&dev())])), Err(CommitError::Unavailable(_))));
    server.start_again();
    assert_eq!(patiently(|| store.list(&dev()).ok()), None);
    apply(&store, vec![create(&dev())]);

    let wrong = PostgresConfig { password: Some("another".to_owned()), ..config };
    let reason = open(&wrong).list(&dev()).unwrap_err().reason;
    assert!(reason.contains("password") && !reason.contains("another"), "{reason}");
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for_forever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://mill@{}/lists", silent.local_addr().unwrap());
    let store = open(&PostgresConfig { url, ..PostgresConfig::default() });
    let began = Instant::now();
    assert!(store.list(&dev()).is_err());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn who_must_be_alone_is_and_nobody_else_comes_in_meanwhile() {
    let Some(server) = shared() else { return };
    let config = server.database();
    let store = open(&config);
    assert_eq!(store.list(&dev()), Ok(None));
    let alone = || PostgresStore::open_alone(&config, Cascade::default()).unwrap();
    let reason = alone().list(&dev()).unwrap_err().reason;
    assert!(reason.contains("listmill run"), "{reason}");
    drop(store);
    let alone = patiently(|| Some(alone()).filter(|store| store.list(&dev()).is_ok()));
    assert!(open(&config).list(&dev()).unwrap_err().reason.contains("being copied"));
    drop(alone);
    let later = open(&config);
    assert_eq!(patiently(|| later.list(&dev()).ok()), None);
}

#[test]
fn tls_is_verified_against_the_certificates_that_are_named() {
    let Some(server) = PostgresServer::start() else { return };
    let config = server.database();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = server.dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::os::unix::fs::chown(&path, None, None).unwrap();
        own(&path);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    let certificate = file("data/server.crt", made.cert.pem());
    file("data/server.key", made.signing_key.serialize_pem());
    let stranger = file("other.crt", other.cert.pem());
    assert!(server.psql("postgres", "ALTER SYSTEM SET ssl = on"));
    server.stop();
    server.start_again();

    let with =
        |ca_file, url: &str| open(&PostgresConfig { ca_file, url: url.to_owned(), ..config.clone() }).list(&dev());
    assert_eq!(with(Some(certificate.clone()), &config.url), Ok(None));
    assert_eq!(with(Some(certificate), &format!("{}?sslmode=verify-full", config.url)), Ok(None));
    let reason = with(Some(stranger), &config.url).unwrap_err().reason;
    assert!(reason.to_lowercase().contains("certificate"), "{reason}");
    assert!(with(None, &format!("{}?sslmode=require", config.url)).is_err(), "the system does not know it");
}
