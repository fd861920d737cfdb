//! An address inside the local part of another: ASCII, one form for one address, read from the right.

/// How an address is written: a mark in front of two hexadecimal digits, and what stands for the `@`.
pub(crate) struct Escape {
    pub(crate) mark: char,
    pub(crate) at: &'static str,
}

impl Escape {
    /// `local` and `domain` in one word of letters, digits, `.`, `-`, `+` and the mark.
    pub(crate) fn write(&self, local: &str, domain: &str) -> String {
        // A quoted local part may hold dots where an unquoted one may not (RFC 5321 §4.1.2).
        let quoted = local.starts_with('"');
        let mut word = String::with_capacity(local.len() + domain.len() + 8);
        for byte in local.bytes() {
            match byte {
                b'-' | b'+' => word.push(char::from(byte)),
                b'.' | b'_' if !quoted && char::from(byte) != self.mark => word.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => word.push(char::from(byte)),
                _ => word.push_str(&format!("{}{byte:02x}", self.mark)),
            }
        }
        word.push_str(self.at);
        word.push_str(domain);
        word
    }

    /// The address that `word` stands for, not yet checked; none when [`Escape::write`] writes no address so. Letters may
    /// have changed case.
    pub(crate) fn read(&self, word: &str) -> Option<String> {
        let (local, domain) = word.rsplit_once(self.at)?;
        let mut bytes = Vec::with_capacity(local.len());
        let mut rest = local;
        while let Some(first) = rest.chars().next() {
            let length = if first == self.mark {
                bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
                3
            } else {
                bytes.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
                first.len_utf8()
            };
            rest = &rest[length..];
        }
        let local = String::from_utf8(bytes).ok()?;
        self.write(&local, domain).eq_ignore_ascii_case(word).then(|| format!("{local}@{domain}"))
    }
}
