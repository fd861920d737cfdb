//! Subjects by which automatic replies are known that say so nowhere else: `Abwesenheitsnotiz`, `自動応答`.
//!
//! The words are data (`data/automatic.txt`), each with its language.

use std::sync::LazyLock;

use crate::prefixes::without_prefixes;

const DATA: &str = include_str!("../data/automatic.txt");

/// The words in lower case, and whether a colon must follow.
static BEGINNINGS: LazyLock<Vec<(&'static str, bool)>> = LazyLock::new(|| {
    rows().map(|(_, words)| words.strip_suffix(':').map_or((words, false), |words| (words, true))).collect()
});

/// Characters of the longest of them, and one more; a test holds the data to it.
const MAX_CHARS: usize = 60;

/// The subject begins as those of automatic replies do, behind prefixes and list tags.
pub(crate) fn is_automatic(subject: &str) -> bool {
    let beginning: String = without_prefixes(subject).chars().take(4 * MAX_CHARS).collect();
    let beginning = beginning.trim_start_matches(['【', '"', '“', '„', '«', '(', '<']).to_lowercase();
    // As in the data. What is an upper-case letter to one language is another letter to the next.
    let beginning = beginning.replace('\u{2019}', "'").replace('ß', "ss").replace('ı', "i").replace('\u{307}', "");
    let words = beginning.split_whitespace().collect::<Vec<_>>().join(" ");
    BEGINNINGS.iter().any(|(start, colon)| {
        let Some(behind) = words.strip_prefix(start) else { return false };
        if *colon { behind.trim_start().starts_with([':', '：']) } else { ends_there(start, behind) }
    })
}

/// A word ends between these two; in scripts that part no words, it does everywhere.
fn ends_there(start: &str, behind: &str) -> bool {
    let unparted = start.chars().next_back().is_some_and(|last| last >= '\u{2e80}');
    unparted || !behind.starts_with(char::is_alphanumeric)
}

/// Language and words of each line of the data.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    DATA.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_data_is_as_its_head_says() {
        let lines = DATA.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines, "every line has two columns");
        assert_eq!(
            BEGINNINGS.iter().map(|(words, _)| words).collect::<HashSet<_>>().len(),
            lines,
            "none stands there twice"
        );
        for (language, words) in rows() {
            let code = language.split('-').next().unwrap_or_default();
            assert!((2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase()), "{language}");
            assert_eq!(words.to_lowercase(), words);
            assert_eq!(words.split_whitespace().collect::<Vec<_>>().join(" "), words);
            let bare = words.trim_end_matches(':');
            assert!(
                (3..MAX_CHARS).contains(&bare.chars().count()) && !bare.contains([':', '：', '\u{2019}']),
                "{words}"
            );
            // No prefix eats its beginning.
            for subject in
                [format!("{bare}: x"), format!("{} : x", bare.to_uppercase()), format!("Re: [dev] AW: {bare}：x")]
            {
                assert!(is_automatic(&subject), "{subject}");
            }
            assert_eq!(is_automatic(bare), bare == words, "{words}");
        }
    }

    #[test]
    fn replies_that_say_so_in_their_subject_alone() {
        for subject in [
            "Abwesenheitsnotiz",
            "Abwesenheitsnotiz: Ihre Anfrage",
            "AW: Abwesenheit bis 3. Mai",
            "Out of Office",
            "RE: Out of the office Re: hello",
            "Automatic reply: hello",
            "Auto-Reply: hello",
            "Autosvar: hej",
            "Automatisk svar: hej",
            "Risposta automatica",
            "Re: [dev] Réponse automatique : bonjour",
            "Absence du bureau",
            "Message d\u{2019}absence",
            "Respuesta automática: hola",
            "Fuera de la oficina",
            "Resposta automática",
            "Automatisch antwoord: hallo",
            "Afwezig: hallo",
            "Odpowiedź automatyczna: x",
            "Автоответ: x",
            "自動応答: こんにちは",
            "自動返信メール",
            "【不在通知】",
            "\"Out of office\"",
            "自动回复: x",
            "Away from my mail",
            "I am  out of\u{a0}the office until Monday",
            "Urlaub: 1.-14. August",
            "Außer Haus: Ihre Anfrage",
            "Vacation : back on Monday",
            "Auto: not accepted",
        ] {
            assert!(is_automatic(subject), "{subject}");
        }
    }

    #[test]
    fn what_people_write_about() {
        for subject in [
            "",
            "Urlaub",
            "Urlaubsplanung: August",
            "Vacation photos",
            "Absence of evidence",
            "Automatic replying considered harmful",
            "How do I set an out of office reply?",
            "Autosvarthet",
            "Outside of office",
            "join",
        ] {
            assert!(!is_automatic(subject), "{subject}");
        }
    }

    #[test]
    fn a_mebibyte_takes_linear_time() {
        for piece in ["Re: ", "auto", " ", "自動", "[dev] "] {
            assert!(!is_automatic(&piece.repeat((1 << 20) / piece.len())), "{piece}");
        }
    }
}
