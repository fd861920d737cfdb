//! A PostgreSQL of the benchmark's own, below a site.

use std::time::Duration;

use listmill_store::PostgresConfig;
use listmill_tests::postgres::{PASSWORD, PostgresServer};

use crate::Failure;
use crate::process::cpu_below;

/// The server, which is gone with the benchmark.
pub(crate) struct Database(PostgresServer);

impl Database {
    /// Starts one. None, and a line that says why, where the machine has none.
    pub(crate) fn start() -> Option<Self> {
        PostgresServer::start().map(Database)
    }

    /// A new database, and what a site file says of it.
    pub(crate) fn section(&self) -> Result<(PostgresConfig, String), Failure> {
        let (database, secret) = (self.0.database(), self.0.dir().join("for-the-benchmark"));
        std::fs::write(&secret, PASSWORD)?;
        let section = format!(
            "[store]\nbackend = \"postgres\"\nurl = \"{}\"\npassword_file = \"{}\"\n",
            database.url,
            secret.display()
        );
        Ok((database, section))
    }

    /// CPU time that the server has used.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        cpu_below(self.0.pid())
    }
}
