//! A real Postfix as the relay: an instance of its own, in directories of its own, that throws away what it has taken.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Failure;

/// How long it may take to start, or to have done what it took.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where its programs lie on Debian and its like.
const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// A running Postfix. It ends when this is dropped.
pub(crate) struct Postfix {
    dir: TempDir,
    master: Child,
    /// Where it takes mail.
    pub(crate) address: SocketAddr,
}

impl Postfix {
    /// Why none can be started here.
    pub(crate) fn lacking() -> Option<&'static str> {
        if !Path::new(MASTER).is_file() {
            return Some("no Postfix on this machine (the package postfix brings it)");
        }
        (!rustix::process::geteuid().is_root()).then_some("only root may run a Postfix of its own")
    }

    /// Starts one whose queue lies below `parent`.
    pub(crate) fn start(parent: &Path) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("listmill-bench-postfix-").tempdir_in(parent)?;
        let at = |name: &str| dir.path().join(name);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755))?;
        for name in ["conf", "queue", "data"] {
            fs::create_dir(at(name))?;
        }
        if !Command::new("chown").arg("postfix").arg(at("data")).status()?.success() {
            return Err("there is no user postfix".into());
        }
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        fs::write(at("conf/main.cf"), main_cf(dir.path()))?;
        fs::write(at("conf/master.cf"), master_cf(address.port()))?;
        let conf = at("conf");
        let check = Command::new("postfix").arg("-c").arg(&conf).arg("check").output()?;
        if !check.status.success() {
            return Err(format!("postfix check: {}", String::from_utf8_lossy(&check.stderr)).into());
        }
        // The master itself, in the foreground: nothing of the system's is started or asked.
        let mut master = Command::new(MASTER);
        master.arg("-c").arg(&conf).arg("-d").env("MAIL_CONFIG", &conf);
        let master = master.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let postfix = Postfix { dir, master, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("Postfix does not start".into());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(postfix)
    }

    /// Returns when it has done with all that it took, so that it is in nobody's way.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        while self.waiting()? > 0 {
            if begun.elapsed() > PATIENCE {
                return Err("Postfix does not get done with what it took".into());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Messages in its queue.
    fn waiting(&self) -> Result<usize, Failure> {
        let mut found = 0;
        let mut dirs: Vec<PathBuf> =
            ["incoming", "active", "deferred"].map(|name| self.dir.path().join("queue").join(name)).to_vec();
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                // It may be gone meanwhile.
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => dirs.push(entry.path()),
                    _ => found += 1,
                }
            }
        }
        Ok(found)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // It takes its children with it.
        let _ = kill_process(Pid::from_child(&self.master), Signal::TERM);
        let _ = self.master.wait();
    }
}

fn main_cf(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {dir}/queue\ndata_directory = {dir}/data\nmail_owner = postfix\n\
         setgid_group = postdrop\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.example.org\nmydestination =\n\
         mynetworks = 127.0.0.1/32\nalias_maps =\nalias_database =\ndefault_transport = discard:\ndefault_process_limit = 100\n\
         smtpd_authorized_verp_clients = 127.0.0.1/32\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
    )
}

/// Debian's, without a chroot (there is nothing in ours), without what nobody asks here, and with another port.
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
        ("error", "- - n - - error"),
        ("retry", "- - n - - error"),
        ("discard", "- - n - - discard"),
        ("anvil", "- - n - 1 anvil"),
        ("scache", "- - n - 1 scache"),
    ] {
        text += &format!("{name} unix {rest}\n");
    }
    text + "postlog unix-dgram n - n - 1 postlogd\n"
}
