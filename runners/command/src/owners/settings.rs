//! A list's settings, by mail.

use listmill_core::settings::{KEYS, check};

use super::Outcome;
use crate::session::{Said, Session};

/// Every post is held from now on, or no longer.
pub(crate) fn emergency(s: &mut Session<'_>, on: bool) -> Outcome {
    let list = s.list;
    s.draft.set(&list.address, "emergency", Some(if on { "on" } else { "off" }.to_owned()));
    Ok(s.done(if on { "emergency-on" } else { "emergency-off" }, &[("list", list.address.as_str())]))
}

/// All settings, or one and what it means.
pub(crate) fn config_show(s: &mut Session<'_>, key: Option<&str>) -> Outcome {
    if let Some(key) = key {
        let Some(known) = KEYS.iter().find(|known| known.name == key) else { return Ok(no_such(s, key)) };
        return Ok(Said { text: format!("{}\n{}", line(s, key), known.meaning), ..s.done("config", &[]) });
    }
    let done = s.done("config", &[("list", s.list.address.as_str())]);
    let lines = std::iter::once(done.text.clone()).chain(KEYS.iter().map(|key| line(s, key.name)));
    Ok(Said { text: lines.collect::<Vec<_>>().join("\n"), ..done })
}

/// `key = value`; a value that the list's owners have set is marked.
fn line(s: &Session<'_>, key: &str) -> String {
    let own = s.draft.own_setting(s.list, key);
    let mark = if own.is_some() { " *" } else { "" };
    let value = own.or_else(|| s.list.settings.get(key)).unwrap_or_default();
    format!("{key} = {}{mark}", in_one_line(&value))
}

fn in_one_line(value: &str) -> String {
    value.replace('\n', "\\n")
}

fn no_such(s: &Session<'_>, key: &str) -> Said {
    let keys: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    s.refused("no-such-setting", &[("key", key), ("keys", &keys.join(", "))])
}

/// Sets the list's own value; none: it goes, and what the domain or the site says holds.
pub(crate) fn config_set(s: &mut Session<'_>, key: &str, value: Option<&str>) -> Outcome {
    if !KEYS.iter().any(|known| known.name == key) {
        return Ok(no_such(s, key));
    }
    let list = s.list;
    let Some(value) = value else {
        s.draft.set(&list.address, key, None);
        return Ok(s.done("config-unset", &[("key", key)]));
    };
    let footer = |value: &str| if key == "footer" { listmill_templates::check_footer(value) } else { Ok(()) };
    let good = check(key, value).map_err(|error| error.reason);
    if let Err(reason) = good.and_then(|()| footer(value).map_err(|error| error.to_string())) {
        return Ok(s.refused("config-refused", &[("key", key), ("reason", &reason)]));
    }
    s.draft.set(&list.address, key, Some(value.to_owned()));
    Ok(s.done("config-set", &[("key", key), ("value", &in_one_line(value))]))
}
