//! The texts of a site as they lie on disk: `templates/<place>/<language>/<name>.hbs` (specs/templates.md).

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use listmill_core::{ListAddress, settings};
use listmill_runner::config::Site;
use listmill_templates::{PHRASES, Place, Scope, Templates, TextKey};

use crate::failure::Failure;
use crate::{backends, placement};

/// The built-in texts, and what this site says instead of them. What is of no use is left out and logged: a slip of the
/// pen must not keep a site from serving.
pub(crate) fn load(site: &Site) -> Templates {
    let (templates, wrong) = read(site);
    for Wrong { reason, .. } in wrong {
        tracing::warn!("{reason}: the built-in text is used");
    }
    templates
}

/// How many texts this site has of its own.
///
/// # Errors
/// A sentence for each that is of no use, and for each list that is not there.
pub(crate) fn check(site: &Site) -> Result<usize, Vec<String>> {
    let (templates, wrong) = read(site);
    let mut wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.reason).collect();
    wrong.extend(lists_not_there(site, &templates));
    wrong.extend(templates.faults().iter().map(ToString::to_string));
    let own = templates.all().filter(|(key, _)| key.place != Place::BuiltIn).count();
    if wrong.is_empty() { Ok(own) } else { Err(wrong) }
}

/// The texts, and a sentence for each of no use from which the text `name` would be taken if it were of any.
pub(crate) fn with_faults_of(site: &Site, name: &str, scope: Scope<'_>) -> (Templates, Vec<String>) {
    let (templates, wrong) = read(site);
    let from = scope.candidates(name);
    let wrong = wrong.into_iter().filter(|wrong| wrong.key.as_ref().is_some_and(|key| from.contains(key)));
    let mut wrong: Vec<String> = wrong.map(|wrong| wrong.reason).collect();
    wrong.extend(templates.faults_of(name, scope).iter().map(ToString::to_string));
    (templates, wrong)
}

/// A sentence for each list that has texts and is not there. Nothing can be said while there is no store, and of one
/// that cannot be opened others tell.
fn lists_not_there(site: &Site, templates: &Templates) -> Vec<String> {
    let lists: BTreeSet<&ListAddress> = templates.all().filter_map(|(key, _)| of_list(&key.place)).collect();
    if lists.is_empty() || !backends::store_is_there(site) || !placement::has_store(site).unwrap_or(false) {
        return Vec::new();
    }
    let Ok(store) = backends::store(site).map(|opened| opened.store()) else { return Vec::new() };
    let gone = lists.into_iter().filter(|list| matches!(store.list(list), Ok(None)));
    gone.map(|list| format!("{list}: there is no list of this address")).collect()
}

fn of_list(place: &Place) -> Option<&ListAddress> {
    match place {
        Place::List(list) => Some(list),
        _ => None,
    }
}

/// These texts are of no use.
pub(crate) fn failure(site: &Site, wrong: &[String]) -> Failure {
    Failure::config(format!("in {}: {}", site.templates.display(), wrong.join("\nlistmill: and: ")))
}

/// A file of texts that is of no use.
struct Wrong {
    /// Which text it would be, where its name says so.
    key: Option<TextKey>,
    reason: String,
}

/// The texts with those that are there, and what cannot be read or has no business there.
fn read(site: &Site) -> (Templates, Vec<Wrong>) {
    let (mut templates, mut unread) = (Templates::new(), Vec::new());
    let mut wrong = Vec::new();
    for file in files(&site.templates, &mut unread) {
        let about = |reason| format!("{}: {reason}", file.display());
        let key = match key(site, &file) {
            Ok(key) => key,
            Err(reason) => {
                wrong.push(Wrong { key: None, reason: about(reason) });
                continue;
            }
        };
        match text(&site.templates.join(&file)) {
            Ok(text) => {
                let (more, refused) = templates.with_overrides([(key.clone(), text)]);
                templates = more;
                wrong.extend(refused.iter().map(|one| Wrong { key: Some(key.clone()), reason: one.to_string() }));
            }
            Err(reason) => wrong.push(Wrong { key: Some(key), reason: about(reason) }),
        }
    }
    wrong.extend(unread.into_iter().map(|reason| Wrong { key: None, reason }));
    (templates, wrong)
}

/// Every file below `dir`, relative to it, in their order. What an editor leaves behind is passed over.
fn files(dir: &Path, wrong: &mut Vec<String>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(below) = dirs.pop() {
        let entries = match fs::read_dir(dir.join(&below)) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
            // Most sites say nothing of their own.
            Err(error) if error.kind() == ErrorKind::NotFound && below == Path::new("") => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let entries = entries.unwrap_or_else(|error| {
            wrong.push(format!("{}: cannot be read: {error}", below.display()));
            Vec::new()
        });
        for path in entries.iter().map(|entry| below.join(entry.file_name())) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            // Three levels are all there is, so a link to a directory above ends, too.
            let goes_down = path.components().count() < 3 && dir.join(&path).is_dir();
            if goes_down { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

/// Which text a file is, by its name.
fn key(site: &Site, file: &Path) -> Result<TextKey, String> {
    let parts: Option<Vec<&str>> = file.iter().map(|part| part.to_str()).collect();
    let [place, language, name] = parts.as_deref().unwrap_or_default() else {
        return Err("a text lies in PLACE/LANGUAGE/NAME.hbs, where PLACE is site, a domain or a list".to_owned());
    };
    let place = self::place(site, place)?;
    settings::check("language", language).map_err(|_| format!("{language:?} is not a language tag, as \"de\""))?;
    let name = match name.rsplit_once('.') {
        Some((PHRASES, "toml")) => PHRASES,
        Some((name, "hbs")) if name != PHRASES => name,
        _ => return Err("is neither NAME.hbs nor phrases.toml".to_owned()),
    };
    Ok(TextKey { place, language: language.to_ascii_lowercase(), name: name.to_owned() })
}

fn place(site: &Site, name: &str) -> Result<Place, String> {
    let here = |domain: &str| site.domains.iter().any(|known| known == domain);
    if name == "site" {
        return Ok(Place::Site);
    }
    if here(name) {
        return Ok(Place::Domain(name.to_owned()));
    }
    match name.parse::<ListAddress>() {
        Ok(list) if here(list.domain()) => Ok(Place::List(list)),
        _ => Err(format!("{name:?} is neither \"site\" nor a domain or a list of this site")),
    }
}
