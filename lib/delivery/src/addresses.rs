//! Addresses as they stand in MAIL and RCPT.

/// Can this stand between the angle brackets of a command without being anything else? The syntax is the next host's to judge;
/// what would end the path, or the command, never leaves (command injection).
pub(crate) fn is_sendable(address: &str) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    for c in address.chars() {
        match c {
            _ if c.is_control() => return false,
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' | '>' | ' ' if !quoted => return false,
            _ => {}
        }
    }
    !address.is_empty() && !quoted && address.len() <= 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_the_path_is_not_sent() {
        for good in ["bob@example.net", "\"a b\"@example.net", "\"a\\\">\"@example.net", "jürgen@example.net"] {
            assert!(is_sendable(good), "{good}");
        }
        let long = "x".repeat(2000);
        for bad in ["", "a@b>\r\nRCPT TO:<c@d", "a@b> SIZE=1", "a b@c", "\"a@b", "a\u{0}@b", "\"a\r\n\"@b", &long] {
            assert!(!is_sendable(bad), "{bad}");
        }
    }
}
