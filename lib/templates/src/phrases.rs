//! Phrases: sentences that commands answer with, `key = "text"` in TOML, one file for each language.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Every phrase of a file by its key; those of a table `[join]` are called `join.…`.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let table: Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].lines().count().max(1));
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{line}{}", error.message())
    })?;
    let mut phrases = BTreeMap::new();
    flatten("", table, &mut phrases)?;
    Ok(phrases)
}

fn flatten(above: &str, table: Table, phrases: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let key = if above.is_empty() { key } else { format!("{above}.{key}") };
        match value {
            Value::String(text) => {
                phrases.insert(key, text);
            }
            Value::Table(table) => flatten(&key, table, phrases)?,
            _ => return Err(format!("{key} is no text in quotes")),
        }
    }
    Ok(())
}
