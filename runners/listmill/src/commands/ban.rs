//! `listmill ban`: who may not write.

use listmill_core::{Ban as Record, BanScope, ListAddress, StoreChange};
use listmill_queue_format::Timestamp;

use crate::cli::Ban;
use crate::failure::Outcome;
use crate::office::Office;
use crate::output;

pub(crate) fn run(office: &Office, command: Ban) -> Outcome {
    match command {
        Ban::Add { pattern, list, reason } => {
            let scope = scope(office, list)?;
            let ban = Record { scope, pattern, reason, since: Timestamp::now() };
            let told = format!("{} is banned on {}", ban.pattern, ban.scope);
            office.commit("ban add", vec![StoreChange::Ban(ban)])?;
            output::line(told)
        }
        Ban::Ls { list, json } => {
            let bans = office.store.bans(&scope(office, list)?)?;
            if json.on {
                return output::json(&bans);
            }
            let row = |ban: &Record| {
                vec![ban.pattern.to_string(), ban.scope.to_string(), ban.since.to_string(), ban.reason.clone()]
            };
            output::table(&["BANNED", "ON", "SINCE", "WHY"], &bans.iter().map(row).collect::<Vec<_>>())
        }
        Ban::Remove { pattern, list } => {
            office.commit("ban remove", vec![StoreChange::Unban { scope: scope(office, list)?, pattern }])
        }
    }
}

fn scope(office: &Office, list: Option<ListAddress>) -> Outcome<BanScope> {
    match list {
        None => Ok(BanScope::Site),
        Some(list) => office.list(&list).map(|list| BanScope::List(list.address)),
    }
}
