//! `listmill template`: the words that people receive, and what this site says instead.

use listmill_runner::config::Site;
use listmill_templates::{Scope, Templates, TextKey};
use serde_json::json;

use crate::cli::{Template, Wanted};
use crate::failure::{Failure, Outcome};
use crate::{office, output, texts};

pub(crate) fn run(site: &Site, command: Template) -> Outcome {
    office::own(site)?;
    match command {
        Template::Ls { json } => ls(&texts::load(site), json.on),
        Template::Show { wanted } => {
            let templates = texts::load(site);
            let (_, text) = templates.says(&wanted.name, scope(&wanted)).ok_or_else(|| unknown(&wanted.name))?;
            output::bytes(text.as_bytes())
        }
        Template::Check => match texts::check(site) {
            Ok(count) => output::line(format!("{count} texts of this site's own, and nothing is wrong with them")),
            Err(wrong) => Err(texts::failure(site, &wrong)),
        },
        Template::Preview { wanted } => {
            let text = texts::load(site).preview(&wanted.name, scope(&wanted)).map_err(Failure::data)?;
            output::bytes(format!("Subject: {}\n\n{}", text.subject, text.body).as_bytes())
        }
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

fn scope(wanted: &Wanted) -> Scope<'_> {
    Scope { list: wanted.list.as_ref(), language: &wanted.language }
}

fn unknown(name: &str) -> Failure {
    Failure::data(format!("there is no text called {name:?}: see `listmill template ls`"))
}
