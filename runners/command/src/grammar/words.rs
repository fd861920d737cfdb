//! A line's words, without the marks that people put around them.

/// What ends a sentence and no argument.
const PUNCTUATION: [char; 9] = ['.', ',', ';', ':', '!', '?', '。', '！', '？'];

/// Marks around a word: each opens and closes.
const AROUND: [(char, char); 9] =
    [('"', '"'), ('\'', '\''), ('`', '`'), ('<', '>'), ('“', '”'), ('„', '“'), ('‘', '’'), ('«', '»'), ('「', '」')];

/// The first word of a text as it is written, and what stands behind it. Double quotes keep white space together.
pub(super) fn first(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut quoted = false;
    let end = text.char_indices().find(|(at, letter)| {
        match letter {
            '"' if quoted => quoted = false,
            '"' => quoted = text[at + 1..].contains('"'),
            _ => (),
        }
        !quoted && letter.is_whitespace()
    });
    let end = end.map_or(text.len(), |(at, _)| at);
    (end > 0).then(|| text.split_at(end))
}

/// The words of a text, cleaned; what was nothing but marks is left out.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut rest = text;
    let mut words = Vec::new();
    while let Some((word, behind)) = first(rest) {
        words.push(clean(word).to_owned());
        rest = behind;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without punctuation behind it and marks around it.
pub(super) fn clean(word: &str) -> &str {
    let mut clean = word;
    loop {
        let bare = clean.trim_end_matches(PUNCTUATION);
        let inner = AROUND.iter().find_map(|(open, close)| bare.strip_prefix(*open)?.strip_suffix(*close));
        match inner {
            Some(inner) => clean = inner.trim(),
            None => return bare.strip_prefix("mailto:").unwrap_or(bare),
        }
    }
}
