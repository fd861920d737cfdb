//! `listmill status`: runners, queues, store, last errors.

use std::fs;
use std::time::Duration;

use listmill_runner::config::Site;
use listmill_store::StoreFigures;
use listmill_store::control::RemoteStore;
use serde_json::{Value, json};

use crate::cli::Json;
use crate::commands::queue::{self, Figures};
use crate::failure::Outcome;
use crate::{backends, output, placement};

/// How long a process of this site may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(site: &Site, json: Json) -> Outcome {
    let has_store = placement::has_store(site)?;
    let queues = backends::queues(site)?;
    let running: Vec<Value> = processes(site).into_iter().map(|(_, status)| status).collect();
    let figures = queue::figures(site, &*queues);
    let store = has_store.then(|| store(site));
    if json.on {
        let store = match &store {
            Some(Ok(figures)) => json!(figures),
            Some(Err(reason)) => json!({ "unreachable": reason }),
            None => Value::Null,
        };
        return output::json(&json!({
            "site": site.file, "host": site.placed, "running": running,
            "queues": figures.iter().map(Figures::object).collect::<Vec<_>>(), "store": store,
        }));
    }
    if running.is_empty() {
        output::line("no runner is serving: `listmill run` starts them")?;
    }
    running.iter().try_for_each(runners)?;
    output::line("")?;
    output::table(queue::HEAD, &figures.iter().map(Figures::row).collect::<Vec<_>>())?;
    output::line("")?;
    output::line(match store {
        Some(Ok(store)) => held(&store),
        Some(Err(reason)) => format!("store: unreachable: {reason}"),
        None => "store: none on this host".to_owned(),
    })
}

fn store(site: &Site) -> Result<StoreFigures, String> {
    let opened = backends::store(site).map_err(|failure| failure.to_string())?;
    opened.store().figures().map_err(|error| error.reason)
}

fn held(store: &StoreFigures) -> String {
    format!(
        "store: {} in {}: {} lists, {} people, {} held posts, {} unconfirmed requests, {} on disk, {} of cache",
        store.backend,
        store.location,
        store.lists,
        store.people,
        store.held,
        store.requests,
        output::octets(store.disk_bytes),
        output::octets(store.cache_bytes)
    )
}

/// Every serving process of this site on this host, and what it says of itself. A socket that nobody answers at is what a killed one left
/// behind.
pub(crate) fn processes(site: &Site) -> Vec<(RemoteStore, Value)> {
    let sockets = fs::read_dir(&site.data).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sockets: Vec<_> = sockets.filter(|path| path.extension().is_some_and(|ending| ending == "sock")).collect();
    sockets.sort();
    let answering = sockets.iter().filter_map(|socket| {
        let status = RemoteStore::connect_within(PATIENCE, socket).ok()?.status().ok()?;
        Some((RemoteStore::connect(socket).ok()?, status))
    });
    answering.collect()
}

fn runners(status: &Value) -> Outcome {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let placed = status["placed"].as_str().map_or_else(String::new, |name| format!(" as {name}"));
    output::line(format!(
        "serving on {}{placed} (process {}) since {}",
        text(&status["host"]),
        status["pid"],
        text(&status["since"])
    ))?;
    for (what, reason) in status["troubles"].as_object().into_iter().flatten() {
        output::line(format!("waiting for the {what}: {}", text(reason)))?;
    }
    for listen in status["listen"].as_array().into_iter().flatten() {
        output::line(format!("listening on {}", text(listen)))?;
    }
    let rows = status["runners"].as_object().into_iter().flatten().map(|(name, health)| {
        let error = match &health["last_error"] {
            Value::Null => String::new(),
            error => format!("{} {}", text(&health["last_error_at"]), text(error)),
        };
        vec![
            name.clone(),
            health["decided"].to_string(),
            health["put_off"].to_string(),
            health["shunted"].to_string(),
            error,
        ]
    });
    output::table(&["RUNNER", "DECIDED", "PUT OFF", "SHUNTED", "LAST ERROR"], &rows.collect::<Vec<_>>())
}
