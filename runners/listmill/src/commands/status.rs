//! `listmill status`: runners, queues, store, last errors.

use listmill_runner::config::Site;
use listmill_store::Opened;
use serde_json::{Value, json};

use crate::cli::Json;
use crate::commands::queue;
use crate::failure::Outcome;
use crate::{office, output};

pub(crate) fn run(site: &Site, json: Json) -> Outcome {
    let queues = office::queues(site)?;
    let opened = listmill_store::open(site.store(), &site.socket(), site.cascade.clone())?;
    let running = match &opened {
        Opened::Own(_) => None,
        Opened::Remote(remote) => Some(remote.status()?),
    };
    let store = opened.store().figures()?;
    let figures = queue::figures(&*queues)?;
    if json.on {
        return output::json(&json!({
            "site": site.file, "running": running, "queues": figures.iter().map(queue::object).collect::<Vec<_>>(), "store": store,
        }));
    }
    match &running {
        None => output::line("no runner is serving: `listmill run` starts them")?,
        Some(status) => runners(status)?,
    }
    output::line("")?;
    output::table(queue::HEAD, &figures.iter().map(queue::row).collect::<Vec<_>>())?;
    output::line("")?;
    output::line(format!(
        "store: {} in {}: {} lists, {} people, {} held posts, {} on disk, {} of cache",
        store.backend,
        store.location,
        store.lists,
        store.people,
        store.held,
        output::octets(store.disk_bytes),
        output::octets(store.cache_bytes)
    ))
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
            health["given_back"].to_string(),
            health["shunted"].to_string(),
            error,
        ]
    });
    output::table(&["RUNNER", "DECIDED", "GIVEN BACK", "SHUNTED", "LAST ERROR"], &rows.collect::<Vec<_>>())
}
