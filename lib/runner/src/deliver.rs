//! The outbound runner: the stage plans, lib/delivery talks to the smarthost, the stage settles what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use listmill_core::{Context, DeliveryPlan, Disposition, NoStore, Settle};
use listmill_delivery::{Claimant, Deliverer, DeliveryError};
use listmill_queue::{Claim, Claimed};
use listmill_queue_format::{Entry, Outcome, Queue, Timestamp};
use tokio::runtime::Handle;

use crate::panics::guarded;
use crate::shell::line;
use crate::{Carried, Runner, Shell};

/// How often it is looked whether a delivery gets on with which in hand a process has died.
const GETS_ON: Duration = Duration::from_millis(200);

/// Whoever has been delivering for so long waits for a smarthost: that the process dies meanwhile is nothing that the entry has done.
const WAITS: Duration = Duration::from_secs(10);

/// The runner of the stage that delivers.
pub struct DeliveryWorker<S> {
    /// The stage.
    pub stage: S,
    /// The way to the smarthost, and the ledger.
    pub deliverer: Arc<Deliverer>,
    /// Where sockets live.
    pub runtime: Handle,
}

impl<S: Settle + Send + Sync> Runner for DeliveryWorker<S> {
    fn queue(&self) -> Queue {
        S::READS
    }

    fn is_patient(&self) -> bool {
        true
    }

    fn carry(&self, shell: &Shell, batch: Vec<Claimed>) -> Vec<Carried> {
        // Whatever the other runners of this process work with: outbound asks no store, and waits for none.
        let shell = &Shell { store: None, directory: None, ..shell.clone() };
        let deliver = |claimed: Claimed| line(&claimed.entry, S::READS).in_scope(|| self.deliver(shell, claimed));
        batch.into_iter().map(deliver).collect()
    }
}

impl<S: Settle> DeliveryWorker<S> {
    fn deliver(&self, shell: &Shell, claimed: Claimed) -> Carried {
        let Claimed { entry, claim } = claimed;
        if self.deliverer.ledger().was_finished(entry.id) {
            // Written again by an upstream runner that was killed after it had written it once.
            let told = "discard: delivered already, under the same id";
            return shell.carry_settled::<S>(&entry, claim, told, &[], |_| Vec::new());
        }
        let Some(plan) = self.plan(&entry) else {
            let mut carried = shell.carry(&self.stage, vec![Claimed { entry, claim }]);
            return carried.pop().expect("each entry is carried out");
        };
        let claimant = if claim.is_exclusive() { Claimant::Alone } else { Claimant::PerhapsOneOfTwo };
        let delivery = self.deliverer.deliver(&entry, &plan, claimant);
        let outcomes = self
            .runtime
            .block_on(async { if claim.tries() == 0 { delivery.await } else { self.watched(&claim, delivery).await } });
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            // Whoever is done is in the ledger.
            Err(error @ DeliveryError::Stopped) => return shell.hand_back(claim, S::READS, &error.to_string()),
            Err(error) => return shell.wait_for_ledger::<S>(&entry, claim, error.to_string()),
        };
        // A smarthost that answers anybody is there.
        let is_away = !outcomes.is_empty() && outcomes.iter().all(|(_, outcome)| outcome.code == 0);
        let id = entry.id;
        let told = summary(&outcomes);
        shell.health.trouble("smarthost", is_away.then(|| told.clone()));
        if is_away {
            // No reply to anybody: that is not about the recipients.
            tracing::warn!(runner = %S::READS, entry = %id, "the smarthost is not to be had: {told}");
            shell.health.error(S::READS, &told);
        }
        let settle = |cx| self.stage.settle(&entry, &outcomes, cx);
        let carried = shell.carry_settled::<S>(&entry, claim, &told, &outcomes, settle);
        if carried == Carried::Done {
            self.deliverer.ledger().finish(id);
        }
        carried
    }

    /// A long delivery is not to blame for the death of its process, however often that died: neither one that gets on nor one that waits. (One that computes without end
    /// has no turn here.)
    async fn watched<T>(&self, claim: &Claim, delivery: impl Future<Output = T>) -> T {
        let noted = || self.deliverer.ledger().noted(claim.id());
        let (before, began, mut delivery) = (noted(), Instant::now(), std::pin::pin!(delivery));
        loop {
            tokio::select! {
                outcomes = &mut delivery => return outcomes,
                () = tokio::time::sleep(GETS_ON) => {}
            }
            if noted() != before || began.elapsed() > WAITS {
                claim.got_on();
                return delivery.await;
            }
        }
    }

    /// The delivery plan, when there is one; everything else that the stage may decide goes the way of every stage.
    fn plan(&self, entry: &Entry) -> Option<DeliveryPlan> {
        let cx = Context { now: Timestamp::now(), seed: entry.id.seed() };
        match guarded(|| self.stage.decide(entry, &NoStore, cx)).ok()?.ok()?.as_mut_slice() {
            [Disposition::Deliver(plan)] => Some(std::mem::take(plan)),
            _ => None,
        }
    }
}

/// "deliver: 198 of 200 done", and where one is not the code of the last reply, or in our words why there was none. (What the next host writes behind it often names the recipient, whom the log of a host
/// without the store does not name; the trail has it, as far as that host may.)
fn summary(outcomes: &[(usize, Outcome)]) -> String {
    let (done, open): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(_, outcome)| outcome.code / 100 == 2);
    let reply = open.last().map_or_else(String::new, |(_, outcome)| match outcome.code {
        0 => format!(", one of the others: {}", outcome.text),
        code => format!(", one of the others: {code} {}", outcome.status),
    });
    format!("deliver: {} of {} done{reply}", done.len(), outcomes.len())
}
