//! A host's report as Prometheus reads it: the text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use listmill_queue::QueueStatus;
use listmill_queue_format::Queue;

use super::HostReport;
use super::tally::BOUNDS;

/// A page that is being written.
#[derive(Default)]
struct Page(String);

impl Page {
    /// One metric, with a sample for each row of labels.
    fn metric(&mut self, name: &str, kind: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(self.0, "{name}{} {value}", shown(&labels));
        }
    }

    fn gauge(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        self.metric(name, "gauge", help, rows);
    }

    fn counter(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        self.metric(name, "counter", help, rows);
    }
}

type Labels = Vec<(&'static str, String)>;

fn shown(labels: &Labels) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn label(name: &'static str, value: impl ToString) -> Labels {
    vec![(name, value.to_string())]
}

impl HostReport {
    /// The metrics of this host.
    pub fn metrics(&self) -> String {
        let mut page = Page::default();
        let well = u64::from(self.reasons.is_empty());
        page.gauge("listmill_healthy", "1 when /health says 200.", [(Vec::new(), well)]);
        page.gauge(
            "listmill_processes",
            "Processes of this site on this host.",
            [(Vec::new(), self.processes.len() as u64)],
        );
        self.queues(&mut page);
        self.runners(&mut page);
        self.deliveries(&mut page);
        self.shared(&mut page);
        page.0
    }

    fn queues(&self, page: &mut Page) {
        let up =
            self.sights.queues.iter().map(|figures| (label("queue", figures.queue), u64::from(figures.status.is_ok())));
        page.gauge("listmill_queue_up", "1 when the queue can be reached.", up);
        let mut each = |name: &str, help: &str, value: &dyn Fn(&QueueStatus) -> Option<u64>| {
            let rows = self
                .sights
                .queues
                .iter()
                .filter_map(|figures| Some((label("queue", figures.queue), value(figures.status.as_ref().ok()?)?)));
            page.gauge(name, help, rows);
        };
        each("listmill_queue_depth", "Entries that can be claimed or are in hand.", &|status| Some(status.depth));
        each("listmill_queue_claimed", "Entries in hand.", &|status| Some(status.claimed));
        each(
            "listmill_queue_oldest_seconds",
            "Age of the oldest of them; absent where the backend cannot tell.",
            &|status| status.oldest_s.or((status.depth == 0).then_some(0)),
        );
        each("listmill_queue_deferred", "Entries that wait for a clock.", &|status| Some(status.deferred));
        each("listmill_queue_shunted", "Entries set aside after a software fault.", &|status| Some(status.shunted));
        each("listmill_queue_corrupt", "Files set aside because they are no entries.", &|status| Some(status.corrupt));
        each("listmill_queue_unsent", "Entries that wait on this host for the broker.", &|status| Some(status.unsent));
        each("listmill_queue_paused", "1 when nobody may claim from the queue.", &|status| {
            Some(u64::from(status.paused))
        });
    }

    fn runners(&self, page: &mut Page) {
        let mut threads: BTreeMap<Queue, usize> = self.expected.iter().map(|queue| (*queue, 0)).collect();
        let mut outcomes: BTreeMap<(Queue, &str), u64> = BTreeMap::new();
        for (queue, runner) in self.processes.iter().flat_map(|process| &process.runners) {
            *threads.entry(*queue).or_default() += runner.threads - runner.dead.min(runner.threads);
            for (disposition, count) in &runner.health.outcomes {
                *outcomes.entry((*queue, disposition)).or_default() += count;
            }
        }
        let up = threads.iter().map(|(queue, threads)| (label("runner", queue), u64::from(*threads > 0)));
        page.gauge("listmill_runner_up", "1 when somebody serves this queue on this host.", up);
        let threads = threads.iter().map(|(queue, threads)| (label("runner", queue), *threads as u64));
        page.gauge("listmill_runner_threads", "Threads that serve it.", threads);
        let outcomes = outcomes.into_iter().map(|((queue, disposition), count)| {
            (vec![("runner", queue.to_string()), ("disposition", disposition.to_owned())], count)
        });
        page.counter("listmill_dispositions_total", "What the runners decided.", outcomes);
        let lost = self.processes.iter().map(|process| process.trail_lost).sum();
        page.counter(
            "listmill_trail_lost_total",
            "Lines of the trail that could not be written.",
            [(Vec::new(), lost)],
        );
    }

    fn deliveries(&self, page: &mut Page) {
        let tally = self.tally();
        let rows = tally.replies.iter().map(|(reply, count)| {
            let (code, status) = reply.split_once(' ').unwrap_or((reply, ""));
            let outcome = match code.bytes().next() {
                Some(b'2') => "delivered",
                Some(b'5') => "refused",
                _ => "deferred",
            };
            let labels = [("outcome", outcome), ("code", code), ("status", status)];
            (labels.map(|(name, value)| (name, value.to_owned())).to_vec(), *count)
        });
        let help = "Recipients by the smarthost's reply; the code 0 is no reply.";
        page.counter("listmill_replies_total", help, rows);
        let name = "listmill_delivery_seconds";
        let _ = writeln!(
            page.0,
            "# HELP {name} From acceptance to the smarthost's 250, for each recipient; time with a moderator included.\n# TYPE {name} histogram"
        );
        let mut sum = 0;
        for (count, bound) in
            tally.latency.counts.iter().zip(BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]))
        {
            sum += count;
            let _ = writeln!(page.0, "{name}_bucket{{le=\"{bound}\"}} {sum}");
        }
        let _ = writeln!(page.0, "{name}_sum {}\n{name}_count {sum}", tally.latency.sum_ms as f64 / 1000.0);
    }

    fn shared(&self, page: &mut Page) {
        let disks = || self.sights.disks.iter().map(|disk| (label("path", disk.path.display()), disk));
        page.gauge(
            "listmill_disk_free_bytes",
            "Free space below our directories.",
            disks().map(|(labels, disk)| (labels, disk.free)),
        );
        page.gauge("listmill_disk_size_bytes", "All space there.", disks().map(|(labels, disk)| (labels, disk.size)));
        let inodes = disks().filter_map(|(labels, disk)| Some((labels, disk.free_inodes?)));
        page.gauge("listmill_disk_free_inodes", "Files that may still be made there.", inodes);
        let store = self.sights.store.iter().map(|store| (Vec::new(), u64::from(store.is_ok())));
        page.gauge("listmill_store_up", "1 when the store answers; absent on a host without one.", store);
        let broker = self.broker().into_iter().map(|up| (Vec::new(), u64::from(up)));
        page.gauge("listmill_broker_up", "1 when the broker answers; absent where no queue is there.", broker);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::report::tests::process;
    use super::super::{Disk, QueueFigures, Sights};
    use super::*;

    #[test]
    fn a_page_has_each_metric_once_and_its_labels_escaped() {
        let mut outbound = process(&[Queue::Outbound]);
        outbound.tally.replies = [("451 4.2.1".to_owned(), 7), ("250 2.0.0".to_owned(), 9)].into();
        outbound.tally.latency.counts[2] = 9;
        let runner = outbound.runners.get_mut(&Queue::Outbound).unwrap();
        (runner.threads, runner.dead) = (4, 1);
        runner.health.outcomes.insert("forward".to_owned(), 5);
        let status = |queue| QueueStatus {
            queue,
            depth: 3,
            claimed: 1,
            deferred: 2,
            shunted: 0,
            corrupt: 0,
            oldest_s: Some(8),
            unsent: 0,
            paused: false,
        };
        let sights = Sights {
            queues: vec![
                QueueFigures { queue: Queue::Outbound, status: Ok(status(Queue::Outbound)) },
                QueueFigures { queue: Queue::Auth, status: Err("away".to_owned()) },
            ],
            store: Some(Ok(())),
            disks: vec![Disk { path: "/a\"b".into(), free: 1, size: 2, free_inodes: Some(3) }],
            floor: crate::Floor { octets: 2, inodes: 0 },
            wrong: Vec::new(),
        };
        let expected: BTreeSet<Queue> = [Queue::Auth, Queue::Outbound].into();
        let report =
            HostReport::new(vec![outbound.clone(), outbound], Vec::new(), sights, expected, [Queue::Auth].into());
        let page = report.metrics();
        for line in [
            "listmill_healthy 0",
            "listmill_queue_depth{queue=\"outbound\"} 3",
            "listmill_queue_oldest_seconds{queue=\"outbound\"} 8",
            "listmill_queue_up{queue=\"auth\"} 0",
            "listmill_runner_up{runner=\"auth\"} 0",
            "listmill_runner_threads{runner=\"outbound\"} 6",
            "listmill_dispositions_total{runner=\"outbound\",disposition=\"forward\"} 10",
            "listmill_replies_total{outcome=\"deferred\",code=\"451\",status=\"4.2.1\"} 14",
            "listmill_delivery_seconds_bucket{le=\"1\"} 0",
            "listmill_delivery_seconds_bucket{le=\"2\"} 18",
            "listmill_delivery_seconds_bucket{le=\"+Inf\"} 18",
            "listmill_delivery_seconds_count 18",
            "listmill_disk_free_bytes{path=\"/a\\\"b\"} 1",
            "listmill_store_up 1",
            "listmill_broker_up 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
        }
        let types: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
        assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len());
        assert!(page.lines().all(|line| !line.is_empty()) && page.ends_with('\n'));
    }
}
