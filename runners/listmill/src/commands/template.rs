//! `listmill template`: the words that people receive, and what this site says instead.

use listmill_core::ListAddress;
use listmill_runner::config::Site;
use listmill_templates::{Scope, Templates, TextKey};
use serde_json::json;

use crate::cli::{Template, Wanted};
use crate::failure::{Failure, Outcome};
use crate::{backends, office, output, placement, texts};

pub(crate) fn run(site: &Site, command: Template) -> Outcome {
    office::own(site)?;
    match command {
        Template::Ls { json } => ls(&texts::load(site), json.on),
        Template::Show { wanted } => {
            let reader = Reader::of(site, &wanted)?;
            let templates = texts::load(site);
            let (_, text) = templates.says(&wanted.name, reader.scope()).ok_or_else(|| unknown(&wanted.name))?;
            output::bytes(text.as_bytes())
        }
        Template::Check => match texts::check(site) {
            Ok(count) => output::line(format!("{count} texts of this site's own, and nothing is wrong with them")),
            Err(wrong) => Err(texts::failure(site, &wrong)),
        },
        Template::Preview { wanted } => preview(site, &wanted),
    }
}

/// What would be sent now, and what is wrong with the texts that would be taken sooner.
fn preview(site: &Site, wanted: &Wanted) -> Outcome {
    let reader = Reader::of(site, wanted)?;
    let (templates, wrong) = texts::with_faults_of(site, &wanted.name, reader.scope());
    let text = templates.preview(&wanted.name, reader.scope(), reader.description.as_deref()).map_err(Failure::data)?;
    output::bytes(format!("Subject: {}\n\n{}", text.subject, text.body).as_bytes())?;
    if wrong.is_empty() { Ok(()) } else { Err(texts::failure(site, &wrong)) }
}

/// Who reads a text.
struct Reader<'a> {
    list: Option<&'a ListAddress>,
    language: String,
    description: Option<String>,
}

impl Reader<'_> {
    /// Of a list that is there the language and the description are known; one that is yet to be made has texts, too.
    fn of<'a>(site: &Site, wanted: &'a Wanted) -> Outcome<Reader<'a>> {
        let known = match &wanted.list {
            Some(list) if backends::store_is_there(site) && placement::has_store(site)? => {
                backends::store(site)?.store().list(list)?
            }
            _ => None,
        };
        let language = wanted.language.clone().or_else(|| known.as_ref().map(|list| list.settings.language.clone()));
        Ok(Reader {
            list: wanted.list.as_ref(),
            language: language.unwrap_or_else(|| "en".to_owned()),
            description: known.map(|list| list.settings.description),
        })
    }

    fn scope(&self) -> Scope<'_> {
        Scope { list: self.list, language: &self.language }
    }
}

fn ls(templates: &Templates, json: bool) -> Outcome {
    if json {
        let object =
            |key: &TextKey| json!({ "name": key.name, "language": key.language, "from": key.place.to_string() });
        return output::json(&templates.all().map(|(key, _)| object(key)).collect::<Vec<_>>());
    }
    let row = |key: &TextKey| vec![key.name.clone(), key.language.clone(), key.place.to_string()];
    let rows: Vec<_> = templates.all().map(|(key, _)| row(key)).collect();
    output::table(&["NAME", "LANGUAGE", "FROM"], &rows)
}

fn unknown(name: &str) -> Failure {
    Failure::data(format!("there is no text called {name:?}: see `listmill template ls`"))
}
