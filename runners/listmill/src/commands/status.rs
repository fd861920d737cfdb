//! `listmill status`: runners, queues, store, disks, last errors, and what is wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use listmill_runner::config::Site;
use listmill_runner::{HostReport, Sights, disks};
use listmill_store::StoreFigures;
use listmill_store::control::RemoteStore;
use serde_json::{Value, json};

use crate::cli::Json;
use crate::commands::queue::{self, Figures};
use crate::failure::Outcome;
use crate::{backends, output, placement, watching};

/// How long a process of this site may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Replies of the smarthost that are shown.
const REPLIES: usize = 8;

pub(crate) fn run(site: &Site, json: Json) -> Outcome {
    let has_store = placement::has_store(site)?;
    let queues = backends::queues(site)?;
    let (answers, silent) = answers(site, PATIENCE, None);
    let running: Vec<Value> = answers.into_iter().map(|(_, status)| status).collect();
    let figures = queue::figures(site, &*queues);
    let store = has_store.then(|| store(site));
    let host = host(site, &running, silent, &figures, store.as_ref());
    if json.on {
        let store = match &store {
            Some(Ok(figures)) => json!(figures),
            Some(Err(reason)) => json!({ "unreachable": reason }),
            None => Value::Null,
        };
        return output::json(&json!({
            "site": site.file, "host": site.placed, "running": running,
            "queues": figures.iter().map(Figures::object).collect::<Vec<_>>(), "store": store, "disks": host.sights.disks,
            "health": { "ok": host.reasons.is_empty(), "reasons": host.reasons },
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
    })?;
    told(&host)
}

/// Everything together, judged as `/health` judges it.
fn host(
    site: &Site,
    running: &[Value],
    silent: Vec<String>,
    figures: &[Figures],
    store: Option<&Result<StoreFigures, String>>,
) -> HostReport {
    // A process of another release may say something else of itself.
    let processes = running.iter().filter_map(|status| serde_json::from_value(status.clone()).ok()).collect();
    let (disks, wrong) = match disks(&watching::roots(site)) {
        Ok(disks) => (disks, Vec::new()),
        Err(error) => (Vec::new(), vec![error]),
    };
    let queues = figures.iter().map(Figures::known).collect();
    let store = store.map(|store| store.as_ref().map(|_| ()).map_err(Clone::clone));
    let sights = Sights { queues, store, disks, floor: site.floor, wrong };
    HostReport::new(processes, silent, sights, watching::expected(site), watching::at_broker(site))
}

/// The disks, what the smarthost says, and what is wrong.
fn told(host: &HostReport) -> Outcome {
    for disk in &host.sights.disks {
        let (free, size) = (output::octets(disk.free), output::octets(disk.size));
        output::line(format!("disk: {free} of {size} are free below {}", disk.path.display()))?;
    }
    let mut replies: Vec<_> = host.tally().replies.into_iter().collect();
    replies.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if !replies.is_empty() {
        let most = replies.iter().take(REPLIES).map(|(reply, count)| format!("{reply} ({count})"));
        let more = if replies.len() > REPLIES { ", and others" } else { "" };
        output::line(format!("smarthost: {}{more}", most.collect::<Vec<_>>().join(", ")))?;
    }
    if host.reasons.is_empty() {
        return output::line("health: ok");
    }
    host.reasons.iter().try_for_each(|reason| output::line(format!("health: {}", output::printable(reason))))
}

fn store(site: &Site) -> Result<StoreFigures, String> {
    let opened = backends::store(site).map_err(|failure| failure.to_string())?;
    opened.store().figures().map_err(|error| error.reason)
}

fn held(store: &StoreFigures) -> String {
    format!(
        "store: {} in {}: {}, {}, {}, {}, {} on disk, {} of cache",
        store.backend,
        store.location,
        output::number(store.lists, "list", "lists"),
        output::number(store.people, "person", "people"),
        output::number(store.held, "held post", "held posts"),
        output::number(store.requests, "unconfirmed request", "unconfirmed requests"),
        output::octets(store.disk_bytes),
        output::octets(store.cache_bytes)
    )
}

/// Every serving process of this site on this host, and what it says of itself.
pub(crate) fn processes(site: &Site) -> Vec<(RemoteStore, Value)> {
    answers(site, PATIENCE, None).0
}

/// The same, but for the process at the socket `own`; and the names of those that are there and do not answer within `patience`. A socket that nobody
/// listens at is what a killed process left behind.
pub(crate) fn answers(site: &Site, patience: Duration, own: Option<&Path>) -> (Vec<(RemoteStore, Value)>, Vec<String>) {
    let sockets = fs::read_dir(&site.data).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sockets: Vec<_> = sockets.filter(|path| path.extension().is_some_and(|ending| ending == "sock")).collect();
    sockets.retain(|socket| Some(socket.as_path()) != own);
    sockets.sort();
    let (mut answers, mut silent) = (Vec::new(), Vec::new());
    for socket in sockets {
        let Ok(process) = RemoteStore::connect_within(patience, &socket) else { continue };
        match (process.status(), RemoteStore::connect(&socket)) {
            (Ok(status), Ok(process)) => answers.push((process, status)),
            _ => silent.push(format!("the process at {}", socket.display())),
        }
    }
    (answers, silent)
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
    if let Some(address) = status["metrics"].as_str() {
        output::line(format!("metrics and health at http://{address}/metrics and /health"))?;
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
