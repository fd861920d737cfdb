//! Hosts of the tests' own on this machine: network namespaces, each with its own address, and cables between those that may talk.
//!
//! There is no router and no switch: a host reaches those that a cable leads to, on any port, and nobody else. That is the firewall, and a cable can be
//! cut. All of it goes when the [`Network`] is dropped, or when this process dies in whatever way; what is left all the same is removed by the next run.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a harness for tests: programs, sockets, threads, and a failure is the end of the test"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::needs::{lacking, needs, needs_root};

/// What every namespace of ours is called in front, before the number of the process that has made it.
const OURS: &str = "listmill-";

/// Some hosts, and the cables between them.
pub struct Network {
    ip: PathBuf,
    /// `listmill-<pid>-<number>`
    name: String,
    hosts: Vec<&'static str>,
    /// A shell that removes everything when its input ends.
    keeper: Child,
}

/// Its arguments are `ip` and the namespaces; a line of its input is a directory that goes with them.
const KEEPER: &str = "ip=$1; shift; dirs=''; while read -r dir; do dirs=\"$dirs $dir\"; done
for ns; do for pid in $($ip netns pids $ns 2>/dev/null); do kill -9 $pid; done; $ip netns delete $ns; done 2>/dev/null
[ -z \"$dirs\" ] || rm -rf $dirs";

impl Network {
    /// These hosts, with these cables. None: the test ends, after a line that says what is missing.
    ///
    /// # Panics
    /// A cable leads to a host that is not named.
    pub fn new(hosts: &[&'static str], cables: &[(&str, &str)]) -> Option<Network> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        static SWEPT: Once = Once::new();
        let ip = needs("ip")?;
        if !needs_root("make network namespaces") {
            return None;
        }
        SWEPT.call_once(|| sweep(&ip));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{OURS}{}-{number}", std::process::id());
        let namespaces = hosts.iter().map(|host| format!("{name}-{host}"));
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&ip).args(namespaces).stdin(Stdio::piped()).stdout(Stdio::null());
        // In a group of its own: what interrupts the tests must not interrupt it.
        let keeper = keeper.process_group(0).spawn().unwrap();
        let network = Network { ip, name, hosts: hosts.to_vec(), keeper };
        for host in hosts {
            let made = network.ip(&["netns", "add", &network.namespace(host)]);
            if !made.status.success() {
                lacking(&format!("no network namespace can be made: {}", String::from_utf8_lossy(&made.stderr).trim()));
                return None;
            }
            network.in_namespace(host, &["link", "set", "lo", "up"]);
        }
        cables.iter().for_each(|(one, other)| network.connect(one, other));
        Some(network)
    }

    /// The address of a host, which none of the others has: of a range that is set apart for documentation.
    ///
    /// # Panics
    /// There is no such host.
    pub fn address(&self, host: &str) -> IpAddr {
        let at = self.hosts.iter().position(|name| *name == host).expect("a host of this network");
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, u8::try_from(at + 1).expect("few hosts")))
    }

    /// What a program is started through to run on a host, where it does not see these directories of other hosts: they are empty there.
    pub fn through(&self, host: &str, hidden: &[&Path]) -> Vec<String> {
        // ip makes a mount namespace for each program that it starts, so nobody else sees these mounts.
        let mut script = String::new();
        for dir in hidden {
            write!(script, "mount -t tmpfs -o ro,size=4k nothing '{}' && ", dir.display()).unwrap();
        }
        script += "exec \"$@\"";
        let ip = self.ip.display().to_string();
        [&ip, "netns", "exec", &self.namespace(host), "sh", "-c", &script, "host"].map(str::to_owned).to_vec()
    }

    /// Runs it on a host: sockets that it opens belong there, and so does what it starts.
    ///
    /// # Panics
    /// It panics, or the namespace cannot be entered.
    pub fn within<T: Send>(&self, host: &str, run: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(Path::new("/run/netns").join(self.namespace(host))).unwrap();
        // A thread of its own: the others stay where they are.
        let entered = || {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network)).unwrap();
            run()
        };
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name(name).spawn_scoped(scope, entered).unwrap();
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Whether a connection from a host to this address comes about. The first packet may be lost while a cable is new; it is sent again after a
    /// second.
    pub fn reaches(&self, from: &str, to: SocketAddr) -> bool {
        self.within(from, || TcpStream::connect_timeout(&to, Duration::from_millis(1500)).is_ok())
    }

    /// Cuts a cable, at the end of `far`: `near` gets no answer any more, and nothing tells it.
    pub fn cut(&self, near: &str, far: &str) {
        self.in_namespace(far, &["link", "set", near, "down"]);
    }

    /// Mends it.
    pub fn mend(&self, near: &str, far: &str) {
        self.in_namespace(far, &["link", "set", near, "up"]);
    }

    /// `kill -9` of all that runs on a host.
    pub fn kill_all(&self, host: &str) {
        kill_all(&self.ip, &self.namespace(host));
    }

    /// The processes on a host.
    pub fn processes(&self, host: &str) -> Vec<u32> {
        processes(&self.ip, &self.namespace(host))
    }

    /// Who listens where and who is connected to whom on a host, as `ss` of that host would say: local and remote address of each TCP socket.
    pub fn sockets(&self, host: &str) -> Vec<(String, String)> {
        let listed = self.run(host, &["cat", "/proc/net/tcp"]);
        let lines = listed.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.map(|fields| (readable(fields[1]), readable(fields[2]))).collect()
    }

    /// Runs a program of the system on a host, which must succeed; what it prints.
    ///
    /// # Panics
    /// It fails.
    pub fn run(&self, host: &str, command: &[&str]) -> String {
        succeeded(&self.ip(&[&["netns", "exec", &self.namespace(host)], command].concat()), command)
    }

    /// This directory goes with the network, also where nothing is dropped. It must be one of those that the system makes for temporary files.
    pub fn takes_along(&self, dir: &Path) {
        writeln!(self.keeper.stdin.as_ref().unwrap(), "{}", dir.display()).unwrap();
    }

    fn connect(&self, one: &str, other: &str) {
        let (here, there) = (self.namespace(one), self.namespace(other));
        // Each end is called as the host that the cable leads to.
        let pair = ["link", "add", other, "netns", &here, "type", "veth", "peer", "name", one, "netns", &there];
        succeeded(&self.ip(&pair), &pair);
        for (host, peer) in [(one, other), (other, one)] {
            let (own, far) = (self.address(host).to_string(), self.address(peer).to_string());
            self.in_namespace(host, &["address", "add", &own, "peer", &far, "dev", peer]);
            self.in_namespace(host, &["link", "set", peer, "up"]);
        }
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }

    fn in_namespace(&self, host: &str, arguments: &[&str]) {
        succeeded(&self.ip(&[&["-n", &self.namespace(host)], arguments].concat()), arguments);
    }

    fn ip(&self, arguments: &[&str]) -> Output {
        Command::new(&self.ip).args(arguments).output().unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It has a status whatever it did; what it could not do the next run will.
        let _ = self.keeper.wait();
    }
}

/// Removes the namespaces of runs that are over, and ends what still runs in them.
fn sweep(ip: &Path) {
    let listed = Command::new(ip).args(["netns", "list"]).output().unwrap();
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let namespace = line.split_whitespace().next().unwrap_or_default();
        let maker = namespace.strip_prefix(OURS).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(ip, namespace);
        }
    }
}

fn remove(ip: &Path, namespace: &str) {
    kill_all(ip, namespace);
    // It may not have been made.
    let _ = Command::new(ip).args(["netns", "delete", namespace]).output();
}

fn kill_all(ip: &Path, namespace: &str) {
    for pid in processes(ip, namespace) {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        // It may have ended meanwhile.
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
    }
}

fn processes(ip: &Path, namespace: &str) -> Vec<u32> {
    let listed = Command::new(ip).args(["netns", "pids", namespace]).output().unwrap();
    let pids = String::from_utf8_lossy(&listed.stdout).into_owned();
    // A thread of this process may be within just now.
    pids.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != std::process::id()).collect()
}

fn succeeded(output: &Output, what: &[&str]) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {what:?}: {} {told}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `0A0200C0:1F58` of /proc/net/tcp is `192.0.2.10:8024`.
fn readable(socket: &str) -> String {
    let (address, port) = socket.split_once(':').unwrap();
    let address = Ipv4Addr::from(u32::from_str_radix(address, 16).unwrap().swap_bytes());
    format!("{address}:{}", u16::from_str_radix(port, 16).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    /// Whether a connection from `from` to a listener on `to` comes about.
    fn reaches(network: &Network, from: &str, to: &str) -> bool {
        let listener = network.within(to, || TcpListener::bind((network.address(to), 0)).unwrap());
        network.reaches(from, listener.local_addr().unwrap())
    }

    #[test]
    fn a_host_reaches_those_that_a_cable_leads_to_and_nobody_else() {
        let Some(network) = Network::new(&["one", "two", "three"], &[("one", "two"), ("two", "three")]) else { return };
        assert!(
            reaches(&network, "one", "two") && reaches(&network, "two", "one") && reaches(&network, "two", "three")
        );
        assert!(!reaches(&network, "one", "three") && !reaches(&network, "three", "one"));
        network.cut("one", "two");
        assert!(!reaches(&network, "one", "two") && !reaches(&network, "two", "one"));
        assert!(reaches(&network, "two", "three"));
        network.mend("one", "two");
        assert!(reaches(&network, "one", "two") && reaches(&network, "two", "one"));
    }

    #[test]
    fn a_cut_is_silent_and_a_connection_outlives_it() {
        let Some(network) = Network::new(&["one", "two"], &[("one", "two")]) else { return };
        let listener = network.within("two", || TcpListener::bind((network.address("two"), 0)).unwrap());
        let address = listener.local_addr().unwrap();
        let mut near = network.within("one", || TcpStream::connect(address).unwrap());
        let (mut far, _) = listener.accept().unwrap();
        network.cut("one", "two");
        near.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        near.write_all(b"?").unwrap();
        let silence = near.read(&mut [0]).unwrap_err();
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
        network.mend("one", "two");
        let mut said = [0];
        far.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"?");
    }

    #[test]
    fn a_host_does_not_see_the_directory_of_another_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "of two").unwrap();
        let Some(network) = Network::new(&["one", "two"], &[]) else { return };
        let list = |host: &str, hidden: &[&Path]| {
            let through = network.through(host, hidden);
            let output = Command::new(&through[0]).args(&through[1..]).arg("ls").arg(dir.path()).output().unwrap();
            succeeded(&output, &["ls"])
        };
        assert_eq!(list("one", &[dir.path()]), "");
        assert_eq!(list("two", &[]), "secret\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is mounted here");
        let (ip, namespace) = (network.ip.clone(), network.namespace("one"));
        let through = network.through("one", &[]);
        let mut left = Command::new(&through[0]).args(&through[1..]).args(["sleep", "600"]).spawn().unwrap();
        crate::program::wait_for("it to run there", || network.processes("one") == [left.id()]);
        drop(network);
        assert!(!left.wait().unwrap().success(), "it was ended");
        assert!(!succeeded(&Command::new(&ip).args(["netns", "list"]).output().unwrap(), &[]).contains(&namespace));
    }

    #[test]
    fn what_a_killed_run_has_left_is_swept_away() {
        let Some(network) = Network::new(&["one"], &[]) else { return };
        // Larger than any number that the kernel gives to a process.
        let dead = format!("{OURS}4194305-0-one");
        succeeded(&network.ip(&["netns", "add", &dead]), &["add"]);
        sweep(&network.ip);
        let listed = succeeded(&network.ip(&["netns", "list"]), &["list"]);
        assert!(!listed.contains(&dead), "{listed}");
        assert!(listed.contains(&network.namespace("one")), "{listed}");
    }

    #[test]
    fn a_socket_is_read() {
        assert_eq!(readable("0A0200C0:1F58"), "192.0.2.10:8024");
    }
}
