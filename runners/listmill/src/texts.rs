//! The texts of a site as they lie on disk: `templates/<place>/<language>/<name>.hbs` (specs/templates.md).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use listmill_core::{ListAddress, settings};
use listmill_runner::config::Site;
use listmill_templates::{PHRASES, Place, Templates, TextKey};

use crate::failure::Failure;

/// The built-in texts, and what this site says instead of them. What is of no use is left out and logged: a slip of the
/// pen must not keep a site from serving.
pub(crate) fn load(site: &Site) -> Templates {
    let (templates, wrong) = read(site);
    for reason in wrong {
        tracing::warn!("{reason}: the built-in text is used");
    }
    templates
}

/// How many texts this site has of its own.
///
/// # Errors
/// A sentence for each that is of no use.
pub(crate) fn check(site: &Site) -> Result<usize, Vec<String>> {
    let (templates, mut wrong) = read(site);
    wrong.extend(templates.faults().iter().map(ToString::to_string));
    let own = templates.all().filter(|(key, _)| key.place != Place::BuiltIn).count();
    if wrong.is_empty() { Ok(own) } else { Err(wrong) }
}

/// These texts are of no use.
pub(crate) fn failure(site: &Site, wrong: &[String]) -> Failure {
    Failure::config(format!("in {}: {}", site.templates.display(), wrong.join("\nlistmill: and: ")))
}

/// The texts with those that are there, and a sentence about each that cannot be read or has no business there.
fn read(site: &Site) -> (Templates, Vec<String>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for file in files(&site.templates, &mut wrong) {
        match key(site, &file).and_then(|key| Ok((key, text(&site.templates.join(&file))?))) {
            Ok(text) => found.push(text),
            Err(reason) => wrong.push(format!("{}: {reason}", file.display())),
        }
    }
    let (templates, more) = Templates::new().with_overrides(found);
    wrong.extend(more.iter().map(ToString::to_string));
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
