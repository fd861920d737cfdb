//! What a site says instead of the built-in texts: it is received, and what is wrong with it is said beforehand.

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Site, wait_for};
use serde_json::Value;

const DEV: &str = "dev@lists.example.org";

fn site() -> Site {
    Site::new("maildir:copies", "")
}

/// Writes a text of the site's own.
fn write(site: &Site, file: &str, text: &str) {
    let path = site.dir().join("templates").join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_text_is_listed_shown_and_previewed() {
    let site = site();
    let all = site.json(&["template", "ls"]);
    let all = all.as_array().unwrap();
    assert!(all.iter().all(|one| one["from"] == "built-in"));
    let texts: Vec<&Value> = all.iter().filter(|one| one["name"] != "phrases").collect();
    // Each name once, and each language: all of them are looked at where they are compiled in.
    let names = texts.iter().filter(|one| one["language"] == "en").zip(["en", "de", "fr", "es", "ja"].iter().cycle());
    for (name, language) in names.map(|(one, language)| (one["name"].as_str().unwrap(), *language)) {
        let text = site.ok(&["template", "show", name, "--language", language]);
        assert!(text.starts_with("subject: "), "{name} {language}");
        let seen = site.ok(&["template", "preview", name, "--language", language, "--list", DEV]);
        assert!(seen.starts_with("Subject: ") && seen.contains("\n\n") && seen.ends_with('\n'), "{seen}");
    }
    assert!(site.ok(&["template", "ls"]).starts_with("NAME"));
    assert!(site.ok(&["template", "show", "phrases", "--language", "ja"]).starts_with('#'));
    assert!(!site.dir().join("data").exists(), "looking at texts makes nothing");
}

#[test]
fn the_nearest_text_is_taken_and_says_where_it_is_from() {
    let site = site();
    write(&site, "site/de/welcome.hbs", "subject: Hallo von der Seite\n{{list}}\n");
    write(&site, "lists.example.org/de/welcome.hbs", "subject: Hallo von der Domain\n{{list}}\n");
    write(&site, "dev@lists.example.org/DE-at/welcome.hbs", "subject: Servus\n{{list}}\n");
    write(&site, "site/nl/ack.hbs", "subject: Verzonden: {{subject}}\n{{list}}\n");
    write(&site, "site/nl/.ack.hbs.swp", "an editor's");
    write(&site, "site/nl/ack.hbs~", "an editor's");
    for (language, list, subject) in [
        ("de", None, "Hallo von der Seite"),
        ("de", Some("two@lists.example.org"), "Hallo von der Domain"),
        ("de-AT", Some(DEV), "Servus"),
        ("de-CH", Some(DEV), "Hallo von der Domain"),
        ("fr", Some(DEV), "Bienvenue sur dev@lists.example.org"),
        ("nl", Some(DEV), "Welcome to dev@lists.example.org"),
    ] {
        let mut args = vec!["template", "preview", "welcome", "--language", language];
        args.extend(list.into_iter().flat_map(|list| ["--list", list]));
        let told = site.ok(&args);
        assert!(told.starts_with(&format!("Subject: {subject}\n\n")), "{args:?}: {told}");
    }
    assert!(site.ok(&["template", "preview", "ack", "--language", "nl"]).starts_with("Subject: Verzonden: "));
    let all = site.json(&["template", "ls"]);
    let from = |language: &str, from: &str| {
        let is = |one: &&Value| one["name"] == "welcome" && one["language"] == language && one["from"] == from;
        all.as_array().unwrap().iter().filter(is).count()
    };
    assert_eq!(
        [from("de", "built-in"), from("de", "site"), from("de", "lists.example.org"), from("de-at", DEV)],
        [1; 4]
    );
    assert!(site.ok(&["template", "check"]).starts_with('4'));
    assert!(site.ok(&["check"]).contains("4 of this site's own"));
}

#[test]
fn a_preview_is_for_the_list_and_says_what_would_not_be_sent() {
    let site = site();
    let mill = "mill@lists.example.org";
    site.list(mill, &["language=de", "description=Mühlen"], []);
    let told = site.ok(&["template", "preview", "welcome", "--list", mill]);
    for part in ["Subject: Willkommen bei mill@", "    Mühlen\n", "    mill-leave@lists.example.org\n"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("dev"), "{told}");
    assert!(site.ok(&["template", "preview", "welcome", "--list", mill, "--language", "fr"]).contains("Bienvenue"));
    // What is wrong with a text is said of that text, and what would be sent is shown all the same.
    write(&site, "site/de/welcome.hbs", "subject: x\n{{lits}}\n");
    write(&site, &format!("{mill}/de/welcome.hbs"), "subject: x\n{{#if list}}\n");
    write(&site, "site/de/ack.hbs", "hello\n");
    let seen = site.with_input(&["template", "preview", "welcome", "--list", mill], b"");
    assert_eq!(seen.status.code(), Some(78));
    assert!(String::from_utf8(seen.stdout).unwrap().starts_with("Subject: Willkommen bei mill@"));
    let told = String::from_utf8(seen.stderr).unwrap();
    assert!(told.contains("{{lits}}") && told.contains("braces") && !told.contains("ack"), "{told}");
    site.ok(&["template", "preview", "welcome", "--language", "fr"]);
}

#[test]
fn texts_of_a_list_that_is_not_there_are_named() {
    let site = site();
    site.list(DEV, &[], []);
    for list in [DEV, "dve@lists.example.org"] {
        write(&site, &format!("{list}/de/ack.hbs"), "subject: {{list}}\n");
    }
    for check in [["template", "check"].as_slice(), &["check"]] {
        let seen = site.with_input(check, b"");
        assert_eq!(seen.status.code(), Some(78));
        let told = String::from_utf8([seen.stdout, seen.stderr].concat()).unwrap();
        assert!(told.contains("dve@lists.example.org: there is no list") && !told.contains("dev@"), "{told}");
    }
}

#[test]
fn what_is_shown_can_be_begun_with() {
    let site = site();
    for name in ["summary", "invitation", "phrases"] {
        let ending = if name == "phrases" { "toml" } else { "hbs" };
        let text = site.ok(&["template", "show", name, "--language", "fr"]);
        write(&site, &format!("{DEV}/fr/{name}.{ending}"), &text);
    }
    assert!(site.ok(&["template", "check"]).starts_with('3'));
}

#[test]
fn what_is_wrong_with_a_text_is_said_before_anybody_receives_it() {
    for (file, text, parts) in [
        ("site/de/welcme.hbs", "subject: x\n", ["welcme", "no text called"]),
        ("site/de/welcome.txt", "subject: x\n", ["site/de/welcome.txt", "phrases.toml"]),
        ("site/de/README", "", ["site/de/README", "NAME.hbs"]),
        ("site/welcome.hbs", "subject: x\n", ["site/welcome.hbs", "PLACE/LANGUAGE/NAME"]),
        ("site/de/more/welcome.hbs", "subject: x\n", ["site/de/more", "NAME.hbs"]),
        ("site/d_e/welcome.hbs", "subject: x\n", ["d_e", "language tag"]),
        ("sight/de/welcome.hbs", "subject: x\n", ["sight", "neither"]),
        ("example.com/de/welcome.hbs", "subject: x\n", ["example.com", "neither"]),
        ("dev@example.com/de/welcome.hbs", "subject: x\n", ["dev@example.com", "neither"]),
        ("site/de/welcome.hbs", "hello\n", ["site/de/welcome", "subject"]),
        ("site/de/welcome.hbs", "subject: x\n{{lits}}\n", ["site/de/welcome", "{{lits}}"]),
        ("site/de/welcome.hbs", "subject: x\n{{#if list}}\n", ["site/de/welcome", "braces"]),
        ("site/de/summary.hbs", "subject: x\n{{count}}\n", ["site/de/summary", "=~=~="]),
        ("site/de/confirm-join.hbs", "subject: x\n=~=~=\n", ["site/de/confirm-join", "{{confirm}}"]),
        ("site/de/phrases.toml", "nonsense = \"x\"\n", ["site/de/phrases", "nonsense"]),
    ] {
        let site = site();
        write(&site, file, text);
        write(&site, "site/es/ack.hbs", "subject: x\n{{another}}\n");
        let told = site.fails(78, &["template", "check"], b"");
        assert!(parts.iter().all(|part| told.contains(part)), "{file}: {told}");
        assert!(told.contains("{{another}}") && told.lines().count() == 2, "each fault has a sentence: {told}");
        let checked = site.with_input(&["check"], b"");
        assert_eq!(checked.status.code(), Some(78));
        assert!(String::from_utf8(checked.stdout).unwrap().contains(parts[0]), "{file}");
    }
}

#[test]
fn a_text_that_is_not_there_is_named() {
    let site = site();
    for command in ["show", "preview"] {
        let told = site.fails(65, &["template", command, "nonsense"], b"");
        assert!(told.contains("nonsense"), "{told}");
    }
    site.fails(64, &["template", "show", "ack", "--list", "not a list"], b"");
    write(&site, "site/de/ack.bin", "");
    std::fs::write(site.dir().join("templates/site/de/held.hbs"), [0xff, 0xfe]).unwrap();
    let told = site.fails(78, &["template", "check"], b"");
    assert!(told.contains("ack.bin") && told.contains("held.hbs") && told.contains("UTF-8"), "{told}");
    let shown = site.with_input(&["template", "show", "held", "--language", "de"], b"");
    assert!(shown.status.success() && shown.stdout.starts_with(b"subject: Auto: wartet"), "the built-in text is used");
    assert!(String::from_utf8(shown.stderr).unwrap().contains("held.hbs"), "and the other one is named");
}

#[test]
fn people_receive_what_the_site_says_and_a_slip_of_the_pen_loses_no_mail() {
    let site = site();
    let lists = ["de@lists.example.org", "fr@lists.example.org"];
    for list in lists {
        let language = format!("language={}", &list[..2]);
        site.list(list, &["nonmember_action=reject", &language], []);
    }
    write(&site, "lists.example.org/de/rejected.hbs", "subject: Auto: Nein, danke\n{{reason}}\nSo nicht.\n");
    write(&site, "lists.example.org/fr/rejected.hbs", "subject: Auto: Non merci\n{{raison}}\n");
    write(&site, "site/fr/rejected.hbs", "subject: {{#if\n");
    let running = site.run();
    for list in lists {
        let post =
            format!("From: mallory@example.net\r\nTo: {list}\r\nSubject: x\r\nMessage-ID: <{list}>\r\n\r\nx\r\n");
        Lmtp::connect(running.lmtp.unwrap()).post("mallory@example.net", list, post.as_bytes());
    }
    let received = || -> Vec<String> {
        let files = std::fs::read_dir(site.dir().join("copies/new")).into_iter().flatten().flatten();
        files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
    };
    wait_for("two notices", || received().len() == 2);
    running.stop();
    let received = received().join("\n");
    assert!(received.contains("Subject: Auto: Nein, danke") && received.contains("So nicht."), "{received}");
    assert!(!received.contains("Non merci") && received.contains("fr-owner@lists.example.org"), "{received}");
}
