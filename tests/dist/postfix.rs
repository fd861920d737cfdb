//! A real Postfix in front of listmill and behind it, with the settings of dist/postfix/main.cf: an instance of its own, in its own directories.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use listmill_tests::lmtp::Lmtp;
use listmill_tests::needs::{needs, needs_root};
use listmill_tests::program::{PATIENCE, Site, wait_for, workspace};
use listmill_tests::sink::{Answer, Script, Sink, Step};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const DEV: &str = "dev@lists.example.org";

/// A running Postfix. It ends when this is dropped.
struct Postfix {
    dir: TempDir,
    master: Child,
}

impl Postfix {
    /// Listens on `port`; what is for lists goes to `lmtp`, all other mail to `world`.
    fn start(port: u16, lmtp: SocketAddr, world: SocketAddr) -> Postfix {
        let dir = TempDir::new().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        for name in ["conf", "queue", "data"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert!(Command::new("chown").arg("postfix").arg(dir.path().join("data")).status().unwrap().success());
        std::fs::write(dir.path().join("conf/main.cf"), main_cf(dir.path(), lmtp, world)).unwrap();
        std::fs::write(dir.path().join("conf/master.cf"), master_cf(port)).unwrap();
        let conf = dir.path().join("conf");
        let check = Command::new("postfix").arg("-c").arg(&conf).arg("check").output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        // The master itself, in the foreground: nothing of the system's is started or asked.
        let mut master = Command::new("/usr/lib/postfix/sbin/master");
        master.arg("-c").arg(&conf).arg("-d").env("MAIL_CONFIG", &conf);
        let master = master.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let postfix = Postfix { dir, master };
        wait_for("Postfix to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        postfix
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("queue/log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // It takes its children with it.
        let _ = kill_process(Pid::from_child(&self.master), Signal::TERM);
        let _ = self.master.wait();
    }
}

/// What every instance of its own needs, then what dist/ ships, with the port of this listmill.
fn main_cf(dir: &Path, lmtp: SocketAddr, world: SocketAddr) -> String {
    let shipped = std::fs::read_to_string(workspace().join("dist/postfix/main.cf")).unwrap();
    assert!(shipped.contains("lmtp:inet:127.0.0.1:8024"));
    let shipped = shipped.replace("127.0.0.1:8024", &lmtp.to_string());
    let dir = dir.display();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {dir}/queue\ndata_directory = {dir}/data\nmail_owner = postfix\n\
         setgid_group = postdrop\nmaillog_file = {dir}/queue/log\nmaillog_file_prefixes = {dir}\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.example.org\nmydestination =\n\
         mynetworks = 127.0.0.1/32\nsmtpd_authorized_verp_clients = 127.0.0.1\nalias_maps =\nalias_database =\n\
         default_transport = smtp:[127.0.0.1]:{}\nsmtp_dns_support_level = disabled\naddress_verify_poll_delay = 1s\n{shipped}",
        world.port()
    )
}

/// Debian's, without a chroot (there is nothing in ours) and with another port.
fn master_cf(port: u16) -> String {
    let mut text = format!("127.0.0.1:{port} inet n - n - - smtpd\n");
    for (name, rest) in [
        ("pickup", "n - n 60 1 pickup"),
        ("cleanup", "n - n - 0 cleanup"),
        ("qmgr", "n - n 300 1 qmgr"),
        ("tlsmgr", "- - n 1000? 1 tlsmgr"),
        ("rewrite", "- - n - - trivial-rewrite"),
        ("bounce", "- - n - 0 bounce"),
        ("defer", "- - n - 0 bounce"),
        ("trace", "- - n - 0 bounce"),
        ("verify", "- - n - 1 verify"),
        ("flush", "n - n 1000? 0 flush"),
        ("proxymap", "- - n - - proxymap"),
        ("smtp", "- - n - - smtp"),
        ("relay", "- - n - - smtp"),
        ("error", "- - n - - error"),
        ("retry", "- - n - - error"),
        ("discard", "- - n - - discard"),
        ("lmtp", "- - n - - lmtp"),
        ("anvil", "- - n - 1 anvil"),
        ("scache", "- - n - 1 scache"),
    ] {
        text += &format!("{name} unix {rest}\n");
    }
    text + "postlog unix-dgram n - n - 1 postlogd\n"
}

/// A client from elsewhere: its address is not in `mynetworks`.
struct Stranger(BufReader<TcpStream>);

impl Stranger {
    fn connect(port: u16) -> Stranger {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stranger = Stranger(BufReader::new(stream));
        assert!(stranger.reply().starts_with("220"));
        assert!(stranger.say("EHLO client.example.net").starts_with("250"));
        stranger
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }
}

#[test]
fn postfix_hands_posts_in_refuses_unknown_lists_and_takes_the_copies() {
    let (Some(_), true) = (needs("postfix"), needs_root("run a Postfix of its own")) else { return };
    let world = Sink::start(Script::default());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = Site::new(&format!("smtp://127.0.0.1:{port}"), "");
    let members = ["alice@example.net", "bob@example.net", "carol@example.com"].map(str::to_owned);
    site.list(DEV, &[], members.clone());
    let running = site.run();
    let postfix = Postfix::start(port, running.lmtp.unwrap(), world.address());

    let mut client = Stranger::connect(port);
    assert!(client.say("MAIL FROM:<alice@example.net>").starts_with("250"));
    let refused = client.say("RCPT TO:<nobody@lists.example.org>");
    assert!(refused.starts_with("550 5.1.1"), "{refused}\n{}", postfix.log());
    let relayed = client.say("RCPT TO:<somebody@example.com>");
    assert!(relayed.starts_with("554 5.7.1") || relayed.starts_with("454"), "no open relay: {relayed}");
    let known = client.say(&format!("RCPT TO:<{DEV}>"));
    assert!(known.starts_with("250"), "{known}\n{}", postfix.log());
    assert!(client.say("DATA").starts_with("354"));
    let post = format!(
        "From: alice@example.net\r\nTo: {DEV}\r\nSubject: hello\r\nMessage-ID: <1@example.net>\r\n\r\nThe mill turns.\r\n."
    );
    assert!(client.say(&post).starts_with("250"));

    assert!(world.wait(PATIENCE, |world| world.count() >= members.len()), "{}", postfix.log());
    let mut served: Vec<String> = world.served().into_keys().collect();
    served.sort();
    assert_eq!(served, members);
    for copy in world.received() {
        assert!(copy.return_path.starts_with("dev-bounces+"), "{}", copy.return_path);
        let text = String::from_utf8_lossy(&copy.data).into_owned();
        assert!(text.contains("List-Id:") && text.contains("The mill turns.\r\n"), "{text}");
    }
    assert_eq!(world.violations(), Vec::<String>::new());
    site.settle(&["auth", "moderation", "pending", "outbound"]);
    let _ = running.stop();
}

#[test]
fn postfix_makes_the_return_paths_of_copies_that_are_all_the_same_and_its_bounce_finds_the_member() {
    let (Some(_), true) = (needs("postfix"), needs_root("run a Postfix of its own")) else { return };
    let world = Sink::start(Script::answering(|asked| match (asked.step, asked.argument) {
        (Step::Rcpt, "Bob+x=y@example.net") => Answer::say("550 5.1.1 no such user"),
        _ => Answer::Usual,
    }));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = Site::new(&format!("smtp://127.0.0.1:{port}"), "");
    let members = ["alice@example.net", "Bob+x=y@example.net", "\"odd one\"@example.com"].map(str::to_owned);
    site.list(DEV, &["copies=shared"], members.clone());
    let running = site.run();
    let postfix = Postfix::start(port, running.lmtp.unwrap(), world.address());
    let said = site.ok(&["check"]);
    assert!(said.contains(", XVERP\n") && said.contains("transactions of up to 500"), "{said}");

    let post = format!("From: alice@example.net\r\nTo: {DEV}\r\nSubject: hello\r\n\r\nThe mill turns.\r\n");
    Lmtp::connect(running.lmtp.unwrap()).post("alice@example.net", DEV, post.as_bytes());
    assert!(world.wait(PATIENCE, |world| world.count() >= 2), "{}", postfix.log());
    let path = |to: &str| {
        let copy = world.received().into_iter().find(|copy| copy.recipients == [to]);
        copy.map(|copy| copy.return_path).unwrap_or_else(|| panic!("no copy for {to}: {}", postfix.log()))
    };
    let alices = path("alice@example.net");
    let tag = alices.strip_prefix("dev-bounces+").unwrap().strip_suffix("+alice=example.net@lists.example.org");
    assert_eq!(tag.map(str::len), Some(24), "{alices}");
    assert!(path(&members[2]).starts_with("dev-bounces+=22odd=20one=22=example.com."), "{}", path(&members[2]));

    let shown = || site.json(&["member", "show", DEV, &members[1]]);
    wait_for("Postfix's bounce to be noted", || shown()["bounces"]["events"][0]["cause"] == "gone");
    assert_eq!(shown()["bounces"]["events"][0]["weight"], 0.5, "{}", shown());
    assert_eq!(world.violations(), Vec::<String>::new());
    let _ = running.stop();
}
