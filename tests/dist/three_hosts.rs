//! dist/from-one-host-to-three.md, followed command by command, with posts coming in all the time.
//!
//! The page's hosts are network namespaces and directories, `mq` and `pg` with servers of this test, and each reaches what the page says. Addresses are
//! put in where the page has names; `systemctl`, `scp`, `rabbitmqctl` and `psql` are small scripts in front of the real thing. No other word is changed.

use std::collections::HashMap;
use std::fs::Permissions;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_tests::lmtp::Lmtp;
use listmill_tests::needs::needs;
use listmill_tests::network::Network;
use listmill_tests::postgres::PostgresServer;
use listmill_tests::program::{PATIENCE, listmill, workspace};
use listmill_tests::rabbit::Rabbit;
use listmill_tests::sink::{Script, Sink};
use tempfile::TempDir;

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 10;
const INTAKE: u16 = 8024;

/// Starts and stops what the unit of that name would, in the directory of the host; waits as systemd does, and until it is ready.
const SYSTEMCTL: &str = r#"#!/bin/sh
unit=$2; host=${unit#listmill}; host=${host#@}
gone() { [ ! -d /proc/$1 ] || grep -q '^State:.Z' /proc/$1/status; }
stop() {
    [ -f $unit.pid ] || return 0
    kill -TERM $(cat $unit.pid)
    until gone $(cat $unit.pid); do sleep 0.05; done
    rm $unit.pid
}
start() {
    setsid listmill -c listmill.toml ${host:+--host $host} run >$unit.log 2>&1 </dev/null &
    echo $! >$unit.pid
    until grep -q ready $unit.log; do
        if gone $(cat $unit.pid); then cat $unit.log >&2; exit 1; fi
        sleep 0.05
    done
}
case $1 in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
esac
"#;

/// Who reaches whom: at first `db1` takes mail from the world and delivers to it.
const CABLES: [(&str, &str); 7] = [
    ("world", "db1"),
    ("world", "mx1"),
    ("out1", "world"),
    ("mx1", "mq"),
    ("db1", "mq"),
    ("out1", "mq"),
    ("db1", "pg"),
];

/// The hosts of the page.
struct Hosts<'a> {
    network: &'a Network,
    dir: TempDir,
    /// What the page says, and what it is here.
    here: Vec<(&'static str, String)>,
}

impl<'a> Hosts<'a> {
    fn new(network: &'a Network, rabbit: &Rabbit, postgres: &PostgresServer) -> Hosts<'a> {
        let dir = TempDir::new().unwrap();
        for host in ["bin", "mx1", "db1", "out1", "mq", "pg"] {
            std::fs::create_dir(dir.path().join(host)).unwrap();
        }
        std::os::unix::fs::symlink(workspace().join("dist"), dir.path().join("mq/dist")).unwrap();
        std::os::unix::fs::symlink(listmill(), dir.path().join("bin/listmill")).unwrap();
        let superuser = postgres.config("postgres");
        let bin = needs("postgres").unwrap();
        let psql = format!(
            "#!/bin/sh\nPGPASSWORD='{}' exec '{}' -X -q -v ON_ERROR_STOP=1 -d '{}' \"$@\"\n",
            superuser.password.as_deref().unwrap_or_default(),
            bin.with_file_name("psql").display(),
            superuser.url,
        );
        let scp = format!("#!/bin/sh\nexec cp \"$1\" '{}'/\"$(echo \"$2\" | tr : /)\"\n", dir.path().display());
        let scripts =
            [("systemctl", SYSTEMCTL.to_owned()), ("scp", scp), ("psql", psql), ("rabbitmqctl", rabbit.ctl_script())];
        for (name, script) in scripts {
            let path = dir.path().join("bin").join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let here = vec![
            ("mq.example.org:5672", format!("{}:{}", network.address("mq"), rabbit.port)),
            ("pg.example.org:5432", format!("{}:{}", network.address("pg"), postgres.port())),
        ];
        Hosts { network, dir, here }
    }

    fn host(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a block in the directory of the host that its first line names.
    fn sh(&self, block: &str) {
        let host = block.lines().next().unwrap().strip_prefix("# on ").expect("a block says where");
        let path = format!("{}:{}", self.host("bin").display(), std::env::var("PATH").unwrap());
        let through = self.network.through(host, &[]);
        let mut shell = Command::new(&through[0]);
        shell
            .args(&through[1..])
            .args(["sh", "-e", "-u", "-c", &self.put_in(block)])
            .current_dir(self.host(host))
            .env("PATH", path);
        let output = shell.output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "on {host}:\n{block}\n{}", String::from_utf8_lossy(&told));
    }

    /// Writes a block's tables into the site file on `db1` that its first line names, in place of those that were there.
    fn edit(&self, block: &str) {
        let (first, tables) = block.split_once('\n').unwrap();
        let path = self.host("db1").join(first.strip_prefix("# ").expect("a block says in which file"));
        let mut file: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        file.extend(self.put_in(tables).parse::<toml::Table>().unwrap());
        std::fs::write(&path, toml::to_string(&file).unwrap()).unwrap();
    }

    fn put_in(&self, text: &str) -> String {
        self.here.iter().fold(text.to_owned(), |text, (word, here)| text.replace(word, here))
    }
}

/// The fenced blocks of the page, in order: their language and text.
fn blocks(page: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(page).unwrap();
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').map(|(lang, text)| (lang.to_owned(), text.to_owned())).unwrap()).collect()
}

/// A mail server that hands in one post after the other, and each again until it is taken. The posts that were, and those whose reply was lost.
struct Stream {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<usize>)>,
}

impl Stream {
    /// Posts from the world, to the first of these that takes connections.
    fn start(network: Arc<Network>, to: [SocketAddr; 2]) -> Stream {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || network.within("world", || hand_in(to, &stopped)));
        Stream { stop, thread }
    }

    fn end(self) -> (usize, Vec<usize>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn hand_in(to: [SocketAddr; 2], stopped: &AtomicBool) -> (usize, Vec<usize>) {
    let (mut posts, mut unsure) = (0, Vec::new());
    while !stopped.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(50));
        let Some(to) = to.into_iter().find(|to| TcpStream::connect(to).is_ok()) else { continue };
        let post = format!("From: u1@example.net\r\nTo: {DEV}\r\nSubject: x\r\nMessage-ID: <{posts}@x>\r\n\r\nx\r\n");
        match catch_unwind(|| Lmtp::connect(to).send("u1@example.net", DEV, post.as_bytes())) {
            Ok(reply) if reply.starts_with("250") => posts += 1,
            Ok(reply) => assert!(reply.starts_with('4'), "{reply}"),
            Err(_) => unsure.push(posts),
        }
    }
    (posts, unsure)
}

#[test]
fn the_page_leads_from_one_host_to_three_with_mail_flowing() {
    let Some(network) = Network::new(&["mx1", "db1", "out1", "mq", "pg", "world"], &CABLES) else { return };
    let network = Arc::new(network);
    let address = |host: &str| network.address(host);
    let Some(rabbit) = network.within("mq", || Rabbit::start_at(address("mq"), None)) else { return };
    let Some(postgres) = network.within("pg", || PostgresServer::start_at(address("pg"))) else { return };
    let sink = network.within("world", || Sink::start_at((address("world"), 25).into(), Script::default()));
    let hosts = Hosts::new(&network, &rabbit, &postgres);
    let site = format!(
        "[site]\ndomains = [\"lists.example.org\"]\nadmins = [\"postmaster@example.org\"]\n[inbound]\nlisten = [\"lmtp://0.0.0.0:{INTAKE}\"]\n\
         [outbound]\nrelay = \"{}\"\n",
        sink.url("smtp")
    );
    std::fs::write(hosts.host("db1").join("listmill.toml"), site).unwrap();
    let members: String = (0..MEMBERS).map(|number| format!("u{number}@example.net\\n")).collect();
    hosts.sh(&format!(
        "# on db1\nlistmill list create {DEV} --owner olivia@example.org\nprintf '{members}' | listmill member import {DEV} -\n\
         systemctl start listmill\n"
    ));

    let intake = ["mx1", "db1"].map(|host| SocketAddr::from((address(host), INTAKE)));
    let stream = Stream::start(Arc::clone(&network), intake);
    let copies_so_far = sink.count() + MEMBERS;
    assert!(sink.wait(PATIENCE, |sink| sink.count() >= copies_so_far), "mail flows before the first step");
    let blocks = blocks(&workspace().join("dist/from-one-host-to-three.md"));
    for (language, block) in &blocks {
        println!("{block}");
        match language.as_str() {
            "sh" => hosts.sh(block),
            "toml" => hosts.edit(block),
            other => panic!("a block of {other:?}"),
        }
    }
    let copies_so_far = sink.count() + 5 * MEMBERS;
    assert!(sink.wait(PATIENCE, |sink| sink.count() >= copies_so_far), "mail flows behind the last step");
    let (posts, unsure) = stream.end();
    assert!(
        sink.wait(PATIENCE, |sink| sink.served().values().all(|count| *count >= posts)),
        "{posts}: {:?}",
        sink.served()
    );

    let mut copies: HashMap<(String, String), usize> = HashMap::new();
    for received in sink.received() {
        let text = String::from_utf8_lossy(&received.data);
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();
        received.recipients.into_iter().for_each(|who| *copies.entry((id.clone(), who)).or_default() += 1);
    }
    for number in 0..posts {
        for member in 0..MEMBERS {
            let count = copies.get(&(format!("<{number}@x>"), format!("u{member}@example.net"))).copied().unwrap_or(0);
            let most = 1 + unsure.iter().filter(|one| **one == number).count();
            assert!((1..=most).contains(&count), "post {number} reached u{member} {count} times");
        }
    }
    for host in ["mx1", "out1"] {
        assert!(
            !hosts.host(host).join("secrets/store").exists() && !hosts.host(host).join("data/store").exists(),
            "{host}"
        );
    }
    println!("{posts} posts to {MEMBERS} members while one host became three in {} blocks: each once", blocks.len());
}
