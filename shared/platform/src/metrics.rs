//! Metrics: what was counted during one run of a function, told in one line of its log.
//!
//! [`report`] goes around a run. Inside it, whoever knows something says [`count`], [`add`] or [`measure`];
//! at the end, one line in CloudWatch's embedded metric format says it all, and none if there was nothing
//! to say. No call to AWS, nothing to wait for. Outside of a run, as in most tests, nothing is counted.
//!
//! The one dimension is the deployment (`service`). A metric of each tenant would cost by their number, and a
//! tenant's or customer's id has no place here: a metric is a name of this list and a number, nothing else.
//!
//! Format: AWS, *Specification: CloudWatch embedded metric format*.

use crate::clock::Clock;
use crate::settings;
use serde::{Serialize, Serializer};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

/// The namespace, unless the deployment sets `POWERTOOLS_METRICS_NAMESPACE`.
pub const NAMESPACE: &str = "Recado";

/// The name of the one dimension; its value is `POWERTOOLS_SERVICE_NAME`, the deployment.
pub const DIMENSION: &str = "service";

/// The format allows so many values of one metric in a line.
const MOST_VALUES: usize = 100;

/// What a metric's numbers are, as CloudWatch spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// How many; those of a run are added up.
    Count,
    /// How much; likewise.
    Bytes,
    /// How long; each is kept, for percentiles.
    Milliseconds,
    /// How long; likewise.
    Seconds,
}

impl Unit {
    const fn is_added_up(self) -> bool {
        matches!(self, Self::Count | Self::Bytes)
    }
}

macro_rules! metrics {
    ($($(#[$meaning:meta])* $name:ident: $unit:ident,)*) => {
        /// Everything that is counted or measured. Alarms and dashboards go by these names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[$meaning])* $name,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in CloudWatch.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What its numbers are.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }
        }
    };
}

metrics! {
    // The webhook.
    /// Messages, echoes and pieces of history that are durable on a queue.
    MessagesReceived: Count,
    /// Delivery statuses that are durable on a queue.
    StatusesReceived: Count,
    /// Everything else that Meta said and is durable on a queue.
    AccountEventsReceived: Count,
    /// Signed bodies, and items in them, that cannot be read; durable too.
    UnreadableReceived: Count,
    /// Bodies whose signature was right.
    SignatureVerified: Count,
    /// Bodies that were refused: no signature, or a wrong one.
    SignatureFailures: Count,
    /// Bodies that were refused: too large.
    BodyTooLarge: Count,
    /// Bodies that could not be put on the queues, answered with 5xx. Meta sends them again.
    NotDurable: Count,
    /// Events that were too large for a queue and went to the bucket.
    ClaimChecked: Count,

    // The workers behind it.
    /// Events that cannot be applied, kept with their reason.
    Parked: Count,
    /// Events for a number or an account that nobody owns, kept; those for a number, for whoever claims it.
    UnknownPhoneNumber: Count,
    /// Events of a kind that nobody applies yet, kept as they came.
    KeptRaw: Count,
    /// Units of work that failed and are to be delivered again.
    WorkRetried: Count,
    /// Units of work that panicked: our own mistake.
    Panics: Count,
    /// Messages that were stored.
    MessagesStored: Count,
    /// Messages that had been stored before.
    DuplicatesAbsorbed: Count,
    /// From the queue's taking a message to its batch's being applied.
    InboundLatencyMs: Milliseconds,
    /// Statuses that were news.
    StatusesApplied: Count,
    /// Statuses that came before their message and wait for it.
    StatusesEarly: Count,
    /// Messages that Meta took and did not deliver after all.
    DeliveryFailures: Count,
    /// From the queue's taking a status to its batch's being applied.
    StateUpdateLatencyMs: Milliseconds,
    /// Templates that Meta rejected, paused or disabled, or is about to.
    TemplateRejected: Count,

    // Files.
    /// Files that are ours.
    MediaStored: Count,
    /// How long they are.
    MediaBytes: Bytes,
    /// Attempts at a file that failed and are made again.
    MediaRetried: Count,
    /// Of those, the ones of which Meta keeps the file for two more days at most.
    MediaNearExpiry: Count,
    /// Files that will never be ours.
    MediaFailed: Count,

    // Sending.
    /// Messages that Meta took.
    MessagesSent: Count,
    /// Messages that will not be sent.
    MessagesFailed: Count,
    /// Messages of which nobody knows yet whether Meta took them.
    MessagesUnknown: Count,
    /// Of those, the ones about which Meta said nothing for ten minutes: an agent must decide.
    MessagesLeftUnknown: Count,
    /// From the agent's asking for a message to Meta's taking it.
    SendLatencyMs: Milliseconds,

    // Waking.
    /// Conversations and files that the stream woke.
    WakeUps: Count,
    /// Records of the stream that cannot be decoded.
    RecordsSkipped: Count,
    /// Conversations, files and early statuses that the sweep woke.
    DueWoken: Count,
    /// How long the longest overdue of them has been due.
    OldestOverdueSeconds: Seconds,

    // The API.
    /// Requests that were answered.
    ApiSucceeded: Count,
    /// Requests that were refused (4xx).
    ApiRefused: Count,
    /// Requests that failed (5xx).
    ApiFailed: Count,
    /// How long an answer took.
    ApiLatencyMs: Milliseconds,
}

/// What was counted during a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Metric, Amount>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Amount {
    Sum(u64),
    Values(Vec<u64>),
}

tokio::task_local! {
    static TALLY: RefCell<Tally>;
}

/// Counts one.
pub fn count(metric: Metric) {
    add(metric, 1);
}

/// Adds an amount; none is not worth a line. Of what is kept one by one, keeps one more.
pub fn add(metric: Metric, amount: u64) {
    // Outside of a run there is nobody to tell.
    let _ = TALLY.try_with(|tally| tally.borrow_mut().add(metric, amount));
}

/// Keeps how long something took.
pub fn measure(metric: Metric, time: Duration) {
    let amount = if metric.unit() == Unit::Seconds { u128::from(time.as_secs()) } else { time.as_millis() };
    add(metric, u64::try_from(amount).unwrap_or(u64::MAX));
}

/// Does a run's work, and writes what was counted during it.
pub fn report<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    static DEPLOYMENT: LazyLock<Deployment> = LazyLock::new(Deployment::from_settings);
    let work = tally(work);
    async {
        let (done, tally) = work.await;
        let lines = DEPLOYMENT.lines(&tally, Clock::system().now().as_millisecond());
        // A log that takes no line must not fail the work.
        let _ = std::io::stdout().write_all(lines.as_bytes());
        done
    }
}

/// Does a run's work, and tells what was counted during it.
pub fn tally<T>(work: impl Future<Output = T>) -> impl Future<Output = (T, Tally)> {
    // Boxed at once: by value it would stand in each of the futures around it.
    let work = Box::pin(work);
    TALLY.scope(RefCell::default(), async { (work.await, TALLY.with(RefCell::take)) })
}

impl Tally {
    fn add(&mut self, metric: Metric, amount: u64) {
        if !metric.unit().is_added_up() {
            match self.0.entry(metric).or_insert(Amount::Values(Vec::new())) {
                Amount::Values(values) => values.push(amount),
                Amount::Sum(_) => unreachable!("a metric has one unit"),
            }
        } else if amount > 0 {
            match self.0.entry(metric).or_insert(Amount::Sum(0)) {
                Amount::Sum(sum) => *sum = sum.saturating_add(amount),
                Amount::Values(_) => unreachable!("a metric has one unit"),
            }
        }
    }

    /// What is counted under this name, added up.
    pub fn total(&self, metric: Metric) -> u64 {
        match self.0.get(&metric) {
            None => 0,
            Some(Amount::Sum(sum)) => *sum,
            Some(Amount::Values(values)) => values.iter().sum(),
        }
    }

    /// Everything that was counted, except how long things took.
    pub fn counts(&self) -> Vec<(Metric, u64)> {
        let sums = self.0.iter().filter(|(metric, _)| metric.unit().is_added_up());
        sums.map(|(metric, _)| (*metric, self.total(*metric))).collect()
    }

    /// How often something was measured.
    pub fn measured(&self, metric: Metric) -> usize {
        match self.0.get(&metric) {
            Some(Amount::Values(values)) => values.len(),
            _ => 0,
        }
    }
}

/// Whose metrics they are.
struct Deployment {
    namespace: String,
    service: String,
}

impl Deployment {
    fn from_settings() -> Self {
        let or = |name, default: &str| settings::optional(name).unwrap_or_else(|| default.to_owned());
        Self {
            namespace: or("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE),
            service: or("POWERTOOLS_SERVICE_NAME", "recado"),
        }
    }

    /// A tally in the embedded metric format. One line, unless something was measured more often than a line holds.
    fn lines(&self, tally: &Tally, at: i64) -> String {
        let mut lines = String::new();
        for part in 0.. {
            let values: BTreeMap<_, _> =
                tally.0.iter().filter_map(|(metric, amount)| amount.part(part, *metric)).collect();
            if values.is_empty() {
                break;
            }
            let metrics = tally.0.keys().filter(|metric| values.contains_key(metric.name()));
            let metrics = metrics.map(|metric| Definition { name: metric.name(), unit: metric.unit() }).collect();
            let directives = [Directive { namespace: &self.namespace, dimensions: [[DIMENSION]], metrics }];
            let metadata = Metadata { timestamp: at, directives };
            let line = Line { metadata, service: &self.service, values };
            lines.push_str(&serde_json::to_string(&line).expect("names and numbers are representable as JSON"));
            lines.push('\n');
        }
        lines
    }
}

impl Amount {
    /// What belongs into this line: a sum into the first one.
    fn part(&self, part: usize, metric: Metric) -> Option<(&'static str, Told<'_>)> {
        let told = match self {
            Self::Sum(sum) => (part == 0).then_some(Told::Sum(*sum)),
            Self::Values(values) => values.chunks(MOST_VALUES).nth(part).map(Told::Values),
        };
        told.map(|told| (metric.name(), told))
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata<'a>,
    service: &'a str,
    #[serde(flatten)]
    values: BTreeMap<&'static str, Told<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: i64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

enum Told<'a> {
    Sum(u64),
    Values(&'a [u64]),
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sum(one) | Self::Values([one]) => serializer.serialize_u64(*one),
            Self::Values(values) => values.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    fn deployment() -> Deployment {
        Deployment { namespace: "Recado".to_owned(), service: "a \"stack\"".to_owned() }
    }

    #[tokio::test]
    async fn a_run_is_told_in_one_line_of_the_embedded_metric_format() {
        let work = async {
            add(Metric::MessagesStored, 2);
            let each = [40, 7].map(|millis| async move {
                tokio::task::yield_now().await;
                measure(Metric::InboundLatencyMs, Duration::from_millis(millis));
                count(Metric::MessagesStored);
            });
            join_all(each).await;
            measure(Metric::OldestOverdueSeconds, Duration::from_millis(90_500));
            add(Metric::Parked, 0);
            "done"
        };
        let (done, tally) = tally(work).await;
        assert_eq!(done, "done");
        assert_eq!(
            deployment().lines(&tally, 1_795_171_200_123),
            concat!(
                r#"{"_aws":{"Timestamp":1795171200123,"CloudWatchMetrics":[{"Namespace":"Recado","Dimensions":[["service"]],"#,
                r#""Metrics":[{"Name":"MessagesStored","Unit":"Count"},{"Name":"InboundLatencyMs","Unit":"Milliseconds"},"#,
                r#"{"Name":"OldestOverdueSeconds","Unit":"Seconds"}]}]},"service":"a \"stack\"","#,
                r#""InboundLatencyMs":[40,7],"MessagesStored":4,"OldestOverdueSeconds":90}"#,
                "\n"
            )
        );
    }

    #[tokio::test]
    async fn nothing_is_written_when_nothing_happened_and_nothing_is_counted_outside_of_a_run() {
        count(Metric::Parked);
        let ((), tally) = tally(async { add(Metric::WakeUps, 0) }).await;
        assert_eq!(deployment().lines(&tally, 0), "");
    }

    #[tokio::test]
    async fn a_metric_has_at_most_a_hundred_values_in_a_line_and_none_is_lost() {
        let ((), tally) = tally(async {
            count(Metric::StatusesApplied);
            (0..205).for_each(|millis| measure(Metric::StateUpdateLatencyMs, Duration::from_millis(millis)));
        })
        .await;
        let lines = deployment().lines(&tally, 0);
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let values = lines.iter().map(|line| line["StateUpdateLatencyMs"].as_array().unwrap());
        assert_eq!(values.clone().map(Vec::len).collect::<Vec<_>>(), [100, 100, 5]);
        assert!(values.flatten().map(|value| value.as_u64().unwrap()).eq(0..205), "a value is lost or told twice");
        let counted: Vec<_> = lines.iter().map(|line| &line["StatusesApplied"]).collect();
        assert_eq!(counted, [&json!(1), &Value::Null, &Value::Null], "a count is told once");
        let named = &lines[2]["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(*named, json!([{"Name": "StateUpdateLatencyMs", "Unit": "Milliseconds"}]));
    }

    #[test]
    fn every_metric_fits_into_one_line_and_has_a_name_that_cloudwatch_takes() {
        assert!(Metric::ALL.len() <= 100, "a line names at most 100 metrics; there are {}", Metric::ALL.len());
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
            assert_ne!(name, DIMENSION);
        }
    }
}
