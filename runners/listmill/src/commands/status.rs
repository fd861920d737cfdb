//! `listmill status`: runners, queues, store, last errors.

use std::fs;

use listmill_runner::config::Site;
use listmill_store::control::RemoteStore;
use serde_json::{Value, json};

use crate::cli::Json;
use crate::commands::queue;
use crate::failure::Outcome;
use crate::{office, output};

pub(crate) fn run(site: &Site, json: Json) -> Outcome {
    let queues = office::queues(site)?;
    let running = serving(site);
    let store = listmill_store::open(site.store(), &site.socket(), site.cascade.clone())?.store().figures()?;
    let figures = queue::figures(&*queues)?;
    if json.on {
        return output::json(&json!({
            "site": site.file, "running": running, "queues": figures.iter().map(queue::object).collect::<Vec<_>>(), "store": store,
        }));
    }
    if running.is_empty() {
        output::line("no runner is serving: `listmill run` starts them")?;
    }
    running.iter().try_for_each(runners)?;
    output::line("")?;
    output::table(queue::HEAD, &figures.iter().map(queue::row).collect::<Vec<_>>())?;
    output::line("")?;
    output::line(format!(
        "store: {} in {}: {} lists, {} people, {} held posts, {} unconfirmed requests, {} on disk, {} of cache",
        store.backend,
        store.location,
        store.lists,
        store.people,
        store.held,
        store.requests,
        output::octets(store.disk_bytes),
        output::octets(store.cache_bytes)
    ))
}

/// What every serving process of this site says of itself. A socket that nobody answers at is what a killed one left behind.
pub(crate) fn serving(site: &Site) -> Vec<Value> {
    let sockets = fs::read_dir(&site.data).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sockets: Vec<_> = sockets.filter(|path| path.extension().is_some_and(|ending| ending == "sock")).collect();
    sockets.sort();
    sockets.iter().filter_map(|socket| RemoteStore::connect(socket).ok()?.status().ok()).collect()
}

fn runners(status: &Value) -> Outcome {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    output::line(format!(
        "serving on {} (process {}) since {}",
        text(&status["host"]),
        status["pid"],
        text(&status["since"])
    ))?;
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
