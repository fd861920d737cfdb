//! `{approve dev@lists.example.org 3 alice@example.org}` in a file of a case becomes that token.

use std::fmt::Display;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use listmill_core::{Address, BounceState, HeldId, HeldPost, ListAddress, RequestKind, StoreView, Timestamp};
use listmill_mail::token::{Act, confirm_token, decision_token, summary_token, unsubscribe_token};
use listmill_mail::verp::{probe_path, return_path, shared_path, shared_path_of};
use listmill_queue_format::EntryId;
use listmill_tests::view::MemoryView;

/// The bytes with every token put in. What depends on the store is taken from the first view that has it.
pub(crate) fn with_tokens(bytes: &[u8], views: &[&MemoryView]) -> Result<Vec<u8>, String> {
    let mut parts = bytes.split(|byte| *byte == b'{');
    let mut whole = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let end = part.iter().position(|byte| *byte == b'}');
        let inner = end.and_then(|end| std::str::from_utf8(&part[..end]).ok());
        match inner.map(|inner| token(inner, views)).transpose()?.flatten().zip(end) {
            Some((token, end)) => {
                whole.extend(token.into_bytes());
                whole.extend(&part[end + 1..]);
            }
            None => {
                whole.push(b'{');
                whole.extend(part);
            }
        }
    }
    Ok(whole)
}

/// The token that these words stand for; none when they stand for themselves.
fn token(inner: &str, views: &[&MemoryView]) -> Result<Option<String>, String> {
    let words: Vec<&str> = inner.split(' ').collect();
    let (how, words) = match words[0] {
        how @ ("cut" | "spoilt") => (how, &words[1..]),
        _ => ("", &words[..]),
    };
    let Some((word, arguments)) = words.split_first() else { return Ok(None) };
    // A text for people may hold a brace and such a word; a token names a list by its address.
    if !arguments.first().is_some_and(|list| list.contains('@')) {
        return Ok(None);
    }
    let small = word.to_lowercase();
    let makers =
        if views.is_empty() { vec![Maker { view: None }] } else { views.iter().copied().map(Maker::of).collect() };
    let made: Vec<_> = makers.iter().map(|maker| maker.token(&small, arguments)).collect();
    let made = made.iter().find(|made| made.is_ok()).unwrap_or(&made[0]).clone();
    let Some(mut token) = made.map_err(|error| format!("{{{inner}}}: {error}"))? else { return Ok(None) };
    match how {
        "cut" => drop(token.pop()),
        "spoilt" => {
            let last = token.pop();
            token.push(if last == Some('a') { 'b' } else { 'a' });
        }
        _ => {}
    }
    Ok(Some(if *word == small { token } else { token.to_uppercase() }))
}

/// The words of tokens, other than acts.
const WORDS: [&str; 7] = ["leave", "confirm", "summary", "entry", "verp", "shared", "probe"];

/// What stands behind the word in a return path.
fn detail(path: &str) -> Result<String, String> {
    let detail = path.split_once('+').and_then(|(_, rest)| rest.rsplit_once('@')).map(|(detail, _)| detail.to_owned());
    detail.ok_or_else(|| format!("{path} is nobody's own"))
}

/// Post number so many, and the day on which it left.
fn post(number: &str, day: &str) -> Result<(EntryId, Timestamp), String> {
    let (chance, day): (u8, Date) = (parsed(number)?, parsed(day)?);
    let day = day.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?.timestamp();
    Ok((EntryId::fresh(day, [chance; 10]), day))
}

struct Maker<'a> {
    view: Option<&'a MemoryView>,
}

impl<'a> Maker<'a> {
    fn of(view: &'a MemoryView) -> Self {
        Maker { view: Some(view) }
    }

    fn token(&self, word: &str, arguments: &[&str]) -> Result<Option<String>, String> {
        let token = match (word, arguments) {
            ("leave", [list, member]) => unsubscribe_token(&MemoryView::keys(), &parsed(list)?, &parsed(member)?),
            ("confirm", [list, kind, address]) => self.confirm(&parsed(list)?, parsed(kind)?, &parsed(address)?)?,
            ("summary", [list, person, first, last, issued]) => {
                self.summary(&parsed(list)?, &parsed(person)?, (parsed(first)?, parsed(last)?), parsed(issued)?)?
            }
            ("verp", [list, member, number, day]) => {
                let (post, day) = post(number, day)?;
                detail(&return_path(&MemoryView::keys(), &parsed(list)?, &parsed(member)?, post, day))?
            }
            ("shared", [list, member, number, day]) => {
                let (post, day) = post(number, day)?;
                let path = shared_path(&MemoryView::keys(), &parsed(list)?, post, day);
                detail(&shared_path_of(&path, member).ok_or("the member has no such path")?)?
            }
            ("probe", [list, member]) => self.probe(&parsed(list)?, &parsed(member)?)?,
            ("entry", [list, id]) => self.post(&parsed(list)?, parsed(id)?)?.entry.to_string(),
            (word, [list, id, person]) => {
                let Some(act) = act(word) else { return Ok(None) };
                let (list, id) = (parsed(list)?, parsed(id)?);
                let sha256 = self.post(&list, id)?.sha256;
                decision_token(&MemoryView::keys(), &list, id, &parsed(person)?, act, &sha256)
            }
            (word, _) if act(word).is_some() || WORDS.contains(&word) => {
                return Err("it has too few words, or too many".to_owned());
            }
            _ => return Ok(None),
        };
        Ok(Some(token))
    }

    fn view(&self) -> Result<&MemoryView, String> {
        self.view.ok_or_else(|| "the store is not read yet".to_owned())
    }

    fn confirm(&self, list: &ListAddress, kind: RequestKind, address: &Address) -> Result<String, String> {
        let request = self.view()?.request(list, kind, address).map_err(|error| error.to_string())?;
        let request = request.ok_or("there is no such request")?;
        Ok(confirm_token(&MemoryView::keys(), list, kind.name(), address, request.opened))
    }

    /// What the return path of the probe says that is on its way.
    fn probe(&self, list: &ListAddress, member: &Address) -> Result<String, String> {
        let record = self.view()?.bounces(list, member).map_err(|error| error.to_string())?;
        match record.map(|record| record.state) {
            Some(BounceState::Probed { since, probe, .. }) => {
                detail(&probe_path(&MemoryView::keys(), list, member, probe, since))
            }
            _ => Err("no probe is on its way".to_owned()),
        }
    }

    /// The post, held or decided.
    fn post(&self, list: &ListAddress, id: HeldId) -> Result<HeldPost, String> {
        let held = self.view()?.held_entry(list, id).map_err(|error| error.to_string())?;
        if let Some((post, _)) = held {
            return Ok(post);
        }
        let decision = self.view()?.decision(list, id).map_err(|error| error.to_string())?;
        decision.map(|decision| decision.post).ok_or_else(|| format!("post {id} was never held"))
    }

    /// The token of the summary of what was held then, within these numbers.
    fn summary(
        &self,
        list: &ListAddress,
        person: &Address,
        (first, last): (HeldId, HeldId),
        issued: Timestamp,
    ) -> Result<String, String> {
        let held = self.view()?.held(list, None, usize::MAX).map_err(|error| error.to_string())?;
        let decided = self.view()?.decisions(list, None, usize::MAX).map_err(|error| error.to_string())?;
        let since = decided.into_iter().filter(|decision| decision.at >= issued).map(|decision| decision.post);
        let posts: Vec<_> = held.into_iter().chain(since).filter(|post| (first..=last).contains(&post.id)).collect();
        let items: Vec<_> = posts.iter().map(|post| (post.id, post.sha256.as_str())).collect();
        let ends = (items.iter().map(|item| item.0).min(), items.iter().map(|item| item.0).max());
        if ends != (Some(first), Some(last)) {
            return Err("the first and the last post must be held, or decided since".to_owned());
        }
        Ok(summary_token(&MemoryView::keys(), list, person, issued, &items))
    }
}

fn act(word: &str) -> Option<Act> {
    Some(match word {
        "approve" => Act::Approve,
        "reject" => Act::Reject,
        "discard" => Act::Discard,
        "answer" => Act::Answer,
        "cancel" => Act::Cancel,
        _ => return None,
    })
}

fn parsed<T: FromStr<Err: Display>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|error| format!("{error}"))
}

#[test]
fn what_is_no_token_stays_as_it_is() {
    for text in
        ["{", "{}", "a{b}c", "{{list}}", "{leave}", "{cancel it}", "{approve this or that}", "{cut }", "\u{e4}{"]
    {
        assert_eq!(with_tokens(text.as_bytes(), &[]).as_deref(), Ok(text.as_bytes()), "{text}");
    }
    assert!(with_tokens(b"{confirm dev@lists.example.org}", &[]).is_err());
}

#[test]
fn a_token_can_be_cut_short_spoilt_or_in_upper_case() {
    let made = |text: &str| String::from_utf8(with_tokens(text.as_bytes(), &[]).unwrap()).unwrap();
    let good = made("<{leave dev@lists.example.org bob@example.net}>");
    assert_eq!(made("<{LEAVE dev@lists.example.org bob@example.net}>"), good.to_uppercase());
    let (start, last) = good.trim_end_matches('>').split_at(good.len() - 2);
    assert_eq!(made("<{cut leave dev@lists.example.org bob@example.net}"), start);
    let spoilt = made("<{spoilt leave dev@lists.example.org bob@example.net}");
    assert!(spoilt.starts_with(start) && !spoilt.ends_with(last) && spoilt.len() == good.len() - 1);
}
