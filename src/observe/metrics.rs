//! Every family of metrics: to change a name, a help text or buckets, look here. The names of the few
//! that handlers and effects record themselves come from `jobs/src/metric.rs`.
//!
//! Labels come from closed sets only: configured queues, registered kinds, our own words.

mod mail;
mod services;

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use roadie_jobs::Registry;
use roadie_jobs::effects::catalogue::{CatalogueError, DeadReason};

use roadie_jobs::metric::{
    CONCERT_MATCHES as MATCHES, DB_QUERY_SECONDS as DB_QUERY, DB_SLOW_QUERIES as DB_SLOW,
    MATCH_STATUSES, PHOTOS_SCANNED as PHOTOS, SCAN_RESULTS, SCAN_SECONDS as SCAN,
};

use tokio::time::timeout;

pub(crate) use services::{Recalled, budget_waited, external_request, recalled};

use crate::outcome::Label;
use crate::queue::apalis::{self, Moved};
use crate::queue::finished::Ended;
use crate::queue::{QueueError, STATES};
use crate::worker::Engine;
use crate::worker::moving::Verdict;

const STARTED: &str = "roadie_jobs_started_total";
const FINISHED: &str = "roadie_jobs_finished_total";
const ACTIVE: &str = "roadie_jobs_active";
const WAIT: &str = "roadie_job_wait_seconds";
const RUN: &str = "roadie_job_run_seconds";
const DEAD: &str = "roadie_dead_letters_total";
const DEAD_WAITING: &str = "roadie_dead_letters";
const RECOVERED: &str = "roadie_jobs_recovered_total";
const STALE: &str = "roadie_stale_results_rejected_total";
const QUEUE_JOBS: &str = "roadie_queue_jobs";
const QUEUE_AGE: &str = "roadie_queue_oldest_age_seconds";
const QUEUE_PAUSED: &str = "roadie_queue_paused";
const INTAKE_MOVED: &str = "roadie_intake_moved_total";
const INTAKE_DROPPED: &str = "roadie_intake_dropped_total";
const INTAKE_FAILURES: &str = "roadie_intake_failures_total";
const INTAKE_BACKLOG: &str = "roadie_intake_backlog";
const MOVING: &str = "roadie_queue_moving";
const REMOVED: &str = "roadie_retention_removed_total";
const SLOTS: &str = "roadie_slots";
const MEMORY_BUDGET: &str = "roadie_memory_budget_bytes";
/// Beside the classes of handlers: the threads that decode and encode for any of them.
const PIXELS: &str = "pixels";
const BUDGET_TOKENS: &str = "roadie_budget_tokens";
const BUDGET_LEFT: &str = "roadie_budget_day_left";
const BUDGET_WAITING: &str = "roadie_budget_waiting";
const BUDGET_WAIT: &str = "roadie_budget_wait_seconds";
const BREAKER: &str = "roadie_breaker_state";
const REQUEST: &str = "roadie_external_request_seconds";
const CACHE: &str = "roadie_cache_requests_total";
const REDIS_RTT: &str = "roadie_redis_rtt_seconds";
const DB_POOL: &str = "roadie_db_pool_connections";
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";
// As BullMQ's own exporter names them, so that existing panels work.
const BULLMQ_COUNT: &str = "bullmq_job_count";
const BULLMQ_COMPLETED: &str = "bullmq_job_completed_total";
const BULLMQ_FAILED: &str = "bullmq_job_failed_total";

// Why a job was recovered.
const LEASE_EXPIRED: &str = "lease_expired";
const CRASH_LOOP: &str = "crash_loop";

const REQUEST_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 40.0];
/// From the next second to the next day.
const BUDGET_WAIT_BUCKETS: &[f64] =
    &[0.01, 0.1, 0.5, 1.0, 2.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0];

/// Seconds; from a no-op job to a long scan.
const RUN_BUCKETS: &[f64] =
    &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0, 3600.0];
const QUERY_BUCKETS: &[f64] = &[0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// How long a scrape waits for what it reads; Prometheus itself gives up after 10 s.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// How often gathered samples are sorted without a scrape.
const SORT_EVERY: Duration = Duration::from_secs(5);
/// The application's own buckets.
const SCAN_BUCKETS: &[f64] = &[1.0, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Installs the recorder.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let buckets = [
        (WAIT, RUN_BUCKETS),
        (RUN, RUN_BUCKETS),
        (DB_QUERY, QUERY_BUCKETS),
        (SCAN, SCAN_BUCKETS),
        (BUDGET_WAIT, BUDGET_WAIT_BUCKETS),
        (REQUEST, REQUEST_BUCKETS),
    ];
    let builder =
        buckets.into_iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
            builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
        })?;
    let handle = builder.install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(STARTED, "Attempts started");
    describe_counter!(FINISHED, "Attempts ended, by what became of the job");
    describe_gauge!(ACTIVE, "Jobs in hand");
    describe_histogram!(WAIT, "Time from when a job was due to when its handler started");
    describe_histogram!(RUN, "Time that a handler ran");
    describe_counter!(DEAD, "Jobs that became dead letters");
    describe_gauge!(DEAD_WAITING, "Dead letters that nobody has retried yet");
    describe_counter!(RECOVERED, "Jobs whose worker was lost, by what became of them");
    describe_counter!(STALE, "Results of jobs that somebody else held by then");
    describe_gauge!(QUEUE_JOBS, "Jobs in a queue by state, read at scrape");
    describe_gauge!(QUEUE_AGE, "Age of the oldest job that could run now, read at scrape");
    describe_gauge!(QUEUE_PAUSED, "1 while a queue is paused, by whomever, read at scrape");
    describe_counter!(INTAKE_MOVED, "Tasks of an intake that became jobs");
    describe_counter!(INTAKE_DROPPED, "Tasks of an intake that became no job, by why");
    describe_counter!(INTAKE_FAILURES, "Tries of an intake that Redis did not answer");
    describe_gauge!(INTAKE_BACKLOG, "Tasks that wait to become jobs, read at scrape");
    describe_gauge!(
        MOVING,
        "1: jobs of a queue move through this process, or it has a reason not to give any; 0: they do not"
    );
    describe_counter!(REMOVED, "Finished jobs that were removed from Redis, by state and reason");
    describe_gauge!(SLOTS, "Slots by class of handler, and threads for pixels");
    describe_gauge!(
        MEMORY_BUDGET,
        "Memory for decoding pictures: used, free, and what those ask for who wait"
    );
    describe_gauge!(
        BUDGET_TOKENS,
        "Questions that could be asked of a service at this moment, of its burst; read at scrape"
    );
    describe_gauge!(
        BUDGET_LEFT,
        "Questions of 24 hours that are left of a service's budget, the reserve included; read at scrape"
    );
    describe_gauge!(BUDGET_WAITING, "Questions that wait for a service's budget; read at scrape");
    describe_histogram!(
        BUDGET_WAIT,
        "Time from when a question was asked for first to when it was allowed"
    );
    describe_gauge!(
        BREAKER,
        "0: a service is asked; 1: a single question finds out whether it answers again; 2: it is left \
         alone, by itself or by an operator; read at scrape"
    );
    describe_histogram!(REQUEST, "Time of one request to a service, by what came of it");
    describe_counter!(
        CACHE,
        "Answers that were looked for: kept ones (hit), of somebody who was just asking (shared), or none (miss)"
    );
    describe_gauge!(REDIS_RTT, "One round trip to Redis, measured at scrape");
    describe_gauge!(DB_POOL, "Connections to the catalogue");
    describe_histogram!(DB_QUERY, "Time of one access to the catalogue");
    describe_counter!(DB_SLOW, "Accesses slower than database.slow_query");
    describe_counter!(PHOTOS, "Photos that scans have dealt with, by what came out");
    describe_histogram!(SCAN, "Time of one photo scan");
    describe_counter!(MATCHES, "Evenings of photos that were matched to shows, by what came of it");
    mail::describe();
    describe_counter!(CPU, "CPU time of this process");
    describe_gauge!(MEMORY, "Resident memory of this process");
    describe_gauge!(BULLMQ_COUNT, "Jobs in a queue by state, as BullMQ's exporter names it");
    describe_counter!(BULLMQ_COMPLETED, "Jobs completed by this process");
    describe_counter!(BULLMQ_FAILED, "Jobs failed by this process");
}

/// What a scrape gets.
pub(crate) fn render(recorder: &PrometheusHandle) -> String {
    recorder.run_upkeep();
    // Its name ends as only parts of histograms may; of what has no type, linters ask nothing.
    let [typed, untyped] = ["gauge", "untyped"].map(|t| format!("# TYPE {BULLMQ_COUNT} {t}\n"));
    recorder.render().replacen(&typed, &untyped, 1)
}

/// Sorts what histograms have gathered into their buckets, also while nobody scrapes: it would fill the
/// memory.
pub(crate) async fn keep(recorder: PrometheusHandle) {
    let mut ticks = tokio::time::interval(SORT_EVERY);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}

/// Registers what is known beforehand at zero, so that rates are right from the first event on.
pub fn register(registry: &Registry, queues: impl Iterator<Item = String>) {
    let queues: Vec<String> = queues.collect();
    for queue in &queues {
        for kind in registry.entries().filter(|entry| entry.queue == queue).map(|e| e.kind) {
            counter!(STARTED, "queue" => queue.clone(), "kind" => kind).absolute(0);
            for label in Label::ALL {
                counter!(FINISHED, "queue" => queue.clone(), "kind" => kind, "outcome" => label.name())
                    .absolute(0);
            }
        }
        for reason in DeadReason::ALL {
            counter!(DEAD, "queue" => queue.clone(), "reason" => reason.as_str()).absolute(0);
        }
        gauge!(ACTIVE, "queue" => queue.clone()).set(0.0);
        // A histogram is there once somebody has asked for it.
        let _ = histogram!(WAIT, "queue" => queue.clone());
        for reason in [LEASE_EXPIRED, CRASH_LOOP] {
            counter!(RECOVERED, "queue" => queue.clone(), "reason" => reason).absolute(0);
        }
        counter!(STALE, "queue" => queue.clone()).absolute(0);
        for (state, reason) in [Ended::Completed, Ended::Failed]
            .into_iter()
            .flat_map(|ended| ["age", "bytes", "count"].map(|reason| (ended.name(), reason)))
        {
            removed(queue, state, reason).absolute(0);
        }
        counter!(BULLMQ_COMPLETED, "queue" => queue.clone()).absolute(0);
        counter!(BULLMQ_FAILED, "queue" => queue.clone()).absolute(0);
    }
    for entry in registry.entries() {
        let _ = histogram!(RUN, "kind" => entry.kind);
    }
    let _ = histogram!(SCAN);
    for result in SCAN_RESULTS {
        counter!(PHOTOS, "result" => result).absolute(0);
    }
    for status in MATCH_STATUSES {
        counter!(MATCHES, "status" => status).absolute(0);
    }
    counter!(DB_SLOW).absolute(0);
    services::register();
    mail::register();
}

/// The same for an intake.
pub(crate) fn register_intake(intake: &str) {
    intake_moved(intake, Moved::default());
    counter!(INTAKE_FAILURES, "intake" => intake.to_owned()).absolute(0);
}

/// Tasks left the lists of an intake.
pub(crate) fn intake_moved(intake: &str, moved: Moved) {
    counter!(INTAKE_MOVED, "intake" => intake.to_owned()).increment(moved.jobs);
    for (reason, tasks) in [("known", moved.known), ("empty", moved.empty)] {
        counter!(INTAKE_DROPPED, "intake" => intake.to_owned(), "reason" => reason)
            .increment(tasks);
    }
}

/// An intake could not do its work for now.
pub(crate) fn intake_failed(intake: &str) {
    counter!(INTAKE_FAILURES, "intake" => intake.to_owned()).increment(1);
}

/// The metrics of one kind in one queue: looked up once, not for every job.
pub(crate) struct JobMetrics {
    started: Counter,
    active: Gauge,
    wait: Histogram,
    run: Histogram,
    /// In the order of [`Label::ALL`].
    finished: [Counter; Label::ALL.len()],
    completed: Counter,
    failed: Counter,
    stale: Counter,
}

impl std::fmt::Debug for JobMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobMetrics").finish_non_exhaustive()
    }
}

impl JobMetrics {
    pub(crate) fn new(queue: &str, kind: &'static str) -> Self {
        let queue = || queue.to_owned();
        Self {
            started: counter!(STARTED, "queue" => queue(), "kind" => kind),
            active: gauge!(ACTIVE, "queue" => queue()),
            wait: histogram!(WAIT, "queue" => queue()),
            run: histogram!(RUN, "kind" => kind),
            finished: Label::ALL.map(|label| {
                counter!(FINISHED, "queue" => queue(), "kind" => kind, "outcome" => label.name())
            }),
            completed: counter!(BULLMQ_COMPLETED, "queue" => queue()),
            failed: counter!(BULLMQ_FAILED, "queue" => queue()),
            stale: counter!(STALE, "queue" => queue()),
        }
    }

    /// A job is in hand until the answer is dropped.
    pub(crate) fn started(&self) -> InHand<'_> {
        self.started.increment(1);
        self.active.increment(1.0);
        InHand(&self.active)
    }

    /// A handler is about to start, so long after the job was due.
    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time.as_secs_f64());
    }

    /// A handler has ended.
    pub(crate) fn ran(&self, time: Duration) {
        self.run.record(time.as_secs_f64());
    }

    /// An attempt has ended.
    pub(crate) fn finished(&self, label: Label) {
        match label {
            Label::Completed => self.completed.increment(1),
            Label::Dead => self.failed.increment(1),
            Label::Lost => self.stale.increment(1),
            Label::Retried
            | Label::Postponed
            | Label::Released
            | Label::Awaiting
            | Label::Erased => {}
        }
        let known = Label::ALL.iter().zip(&self.finished).find(|(known, _)| **known == label);
        if let Some((_, counter)) = known {
            counter.increment(1);
        }
    }
}

/// See [`JobMetrics::started`].
pub(crate) struct InHand<'a>(&'a Gauge);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Jobs lost their leases: they wait again, or will be given up.
pub(crate) fn jobs_recovered(queue: &str, waiting: usize, doomed: usize) {
    for (reason, jobs) in [(LEASE_EXPIRED, waiting), (CRASH_LOOP, doomed)] {
        counter!(RECOVERED, "queue" => queue.to_owned(), "reason" => reason).increment(jobs as u64);
    }
}

/// A result came for a job that somebody else holds by now.
pub(crate) fn stale_result(queue: &str) {
    counter!(STALE, "queue" => queue.to_owned()).increment(1);
}

/// A job has died.
pub(crate) fn dead_letter(queue: &str, reason: DeadReason) {
    counter!(DEAD, "queue" => queue.to_owned(), "reason" => reason.as_str()).increment(1);
}

/// Finished jobs were removed: `state` completed or failed; `reason` age, bytes or count.
pub(crate) fn retention_removed(queue: &str, state: &'static str, reason: &'static str, jobs: u64) {
    removed(queue, state, reason).increment(jobs);
}

fn removed(queue: &str, state: &'static str, reason: &'static str) -> Counter {
    counter!(REMOVED, "queue" => queue.to_owned(), "state" => state, "reason" => reason)
}

/// Reads what is read at scrape. What does not answer in time becomes a gap.
pub(crate) async fn refresh(engine: &Engine) {
    // Neither may cost a scrape its other families; an old number would look like a fresh one.
    let queues = timeout(READ_WITHIN, refresh_queues(engine));
    let letters = timeout(READ_WITHIN, refresh_dead_letters(engine));
    let budgets = services::refresh(engine);
    let (queues, letters, ()) = tokio::join!(queues, letters, budgets);
    if !matches!(queues, Ok(Ok(()))) {
        forget_queues(engine);
    }
    if !matches!(letters, Ok(Ok(()))) {
        set_dead_letters(engine, |_, _| f64::NAN);
    }
    let catalogue = &engine.effects.catalogue;
    let (open, idle) = (catalogue.pool_size() as usize, catalogue.pool_idle());
    gauge!(DB_POOL, "state" => "idle").set(float(idle as u64));
    gauge!(DB_POOL, "state" => "used").set(float(open.saturating_sub(idle) as u64));
    let slots = engine.slots.usage().map(|(class, used, all)| (class.name(), used, all));
    let (working, threads) = engine.effects.pixels.threads();
    for (class, used, all) in slots.chain([(PIXELS, working, threads)]) {
        gauge!(SLOTS, "class" => class, "state" => "used").set(float(used as u64));
        gauge!(SLOTS, "class" => class, "state" => "free").set(float((all - used) as u64));
    }
    let memory = engine.effects.pixels.memory();
    for (state, bytes) in
        [("used", memory.used), ("free", memory.free), ("waiting", memory.waiting)]
    {
        gauge!(MEMORY_BUDGET, "state" => state).set(float(bytes));
    }
    for (queue, verdict) in engine.moving.verdicts(engine.config.canary.within) {
        let moving = !matches!(verdict, Verdict::Stuck(..));
        gauge!(MOVING, "queue" => queue.clone()).set(float(u64::from(moving)));
    }
    process();
}

async fn refresh_queues(engine: &Engine) -> Result<(), QueueError> {
    let now = engine.effects.clock.now_ms();
    for queue in engine.config.queues.keys() {
        let depth = engine.queues.depth(queue, now).await?;
        let age = Duration::from_millis(depth.oldest_age_ms).as_secs_f64();
        set_depth(queue, depth.jobs.map(float), age, f64::from(u8::from(depth.paused)));
    }
    for (name, intake) in &engine.config.intake.apalis {
        let tasks = apalis::backlog(&engine.queues, intake.namespace(name)).await?;
        gauge!(INTAKE_BACKLOG, "intake" => name.clone()).set(float(tasks));
    }
    gauge!(REDIS_RTT).set(crate::queue::ping(&engine.queues).await?.as_secs_f64());
    Ok(())
}

/// Not a number: what Prometheus shows as a gap.
fn forget_queues(engine: &Engine) {
    for queue in engine.config.queues.keys() {
        set_depth(queue, [f64::NAN; STATES.len()], f64::NAN, f64::NAN);
    }
    for name in engine.config.intake.apalis.keys() {
        gauge!(INTAKE_BACKLOG, "intake" => name.clone()).set(f64::NAN);
    }
    gauge!(REDIS_RTT).set(f64::NAN);
}

fn set_depth(queue: &str, jobs: [f64; STATES.len()], oldest_age_seconds: f64, paused: f64) {
    for (state, jobs) in STATES.iter().zip(jobs) {
        gauge!(QUEUE_JOBS, "queue" => queue.to_owned(), "state" => *state).set(jobs);
        gauge!(BULLMQ_COUNT, "queue" => queue.to_owned(), "state" => *state).set(jobs);
    }
    gauge!(QUEUE_AGE, "queue" => queue.to_owned()).set(oldest_age_seconds);
    gauge!(QUEUE_PAUSED, "queue" => queue.to_owned()).set(paused);
}

async fn refresh_dead_letters(engine: &Engine) -> Result<(), CatalogueError> {
    let counts = engine.effects.catalogue.dead_letter_counts().await?;
    set_dead_letters(engine, |queue, reason| {
        let found = counts.iter().find(|(q, r, _)| q == queue && r == reason.as_str());
        found.map_or(0.0, |(.., letters)| float(u64::try_from(*letters).unwrap_or(0)))
    });
    Ok(())
}

fn set_dead_letters(engine: &Engine, letters: impl Fn(&str, DeadReason) -> f64) {
    for queue in engine.config.queues.keys() {
        for reason in DeadReason::ALL {
            gauge!(DEAD_WAITING, "queue" => queue.clone(), "reason" => reason.as_str())
                .set(letters(queue, reason));
        }
    }
}

fn process() {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
    let Ok(pid) = sysinfo::get_current_pid() else {
        return;
    };
    let Ok(mut system) = System::new() else {
        return;
    };
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    if let Some(process) = system.process(pid) {
        gauge!(MEMORY).set(float(process.memory()));
        counter!(CPU).absolute(process.accumulated_cpu_time() / 1000);
    }
}

/// Counts of jobs and bytes stay far below 2^52, where a float is exact.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
