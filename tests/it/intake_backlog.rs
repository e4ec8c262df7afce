//! However many tasks wait in an apalis queue, and whatever happens to the processes and to Redis while
//! they are moved: each becomes a job exactly once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullmq::JobState;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::support::apalis::Producer;
use super::support::http;
use super::support::play::{PLAYS, call, part};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::within;
use super::support::worker::Worker;

const LONG: Duration = Duration::from_mins(2);

/// Runs of every job, counted by the job's id.
#[derive(Clone, Debug, Default)]
struct Runs(Arc<Mutex<HashMap<String, u32>>>);

impl Runs {
    /// Arguments of a task whose job counts itself.
    fn args(&self) -> Value {
        let runs = self.clone();
        let part = part(move |cx, _| {
            *runs.0.lock().unwrap().entry(cx.info().id.clone()).or_default() += 1;
            async { Ok(Value::Null) }
        });
        call(&part, 0)
    }

    /// How many jobs ran how often.
    fn counted(&self) -> BTreeMap<u32, usize> {
        let mut counted = BTreeMap::new();
        self.0.lock().unwrap().values().for_each(|runs| *counted.entry(*runs).or_default() += 1);
        counted
    }

    async fn all_ran_once(&self, tasks: usize) {
        let expected = BTreeMap::from([(1, tasks)]);
        within(LONG, "every job has run once", async || {
            let counted = self.counted();
            if counted == expected { Ok(()) } else { Err(format!("{counted:?}")) }
        })
        .await;
    }
}

/// A stage whose processes move tasks into a queue that they do not serve: killing one kills no job.
fn mover(redis: &Arc<RedisServer>, prefix: &str) -> Stage {
    Stage::on(Arc::clone(redis))
        .set("redis.prefix", prefix)
        .set("intake.apalis.plays.namespace", format!("{prefix}-tasks"))
        .set("intake.apalis.plays.kind", "play")
        .set("intake.apalis.plays.queue", PLAYS)
}

/// Waits until nothing is left in apalis' lists.
async fn moved(producer: &Producer) {
    within(LONG, "every task is moved", async || match producer.waiting().await {
        0 => Ok(()),
        waiting => Err(waiting.to_string()),
    })
    .await;
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what people ask for")]
async fn a_backlog_of_100_000_tasks_is_moved() {
    const PLAIN: usize = 90_000;
    const LATE: usize = 10_000;
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis));
    let mut producer = Producer::new(&stage).await;
    let args = json!({ "part": "none", "line": "a payload of about the usual size for one job: a hundred bytes" });
    producer.push_bulk((0..PLAIN).map(|_| args.clone())).await;
    // More than twice as many as apalis' own workers can promote before they give up.
    let now = u64::try_from(roadie_jobs::effects::Clock::System.now_ms() / 1_000).unwrap();
    producer.push_due(&args, std::iter::repeat_n(now + 1, LATE)).await;
    let processes = [mover(&redis, &stage.prefix), mover(&redis, &stage.prefix)];
    let started = Instant::now();
    let first = Process::serving(&processes[0]).await;
    let second = Process::serving(&processes[1]).await;
    let serving = Instant::now();
    moved(&producer).await;
    let (in_all, since) = (started.elapsed(), serving.elapsed());
    let depth = stage.queues().await.depth(PLAYS, 0).await.unwrap();
    assert_eq!(depth.of("waiting") + depth.of("delayed"), (PLAIN + LATE) as u64);
    let (mut tasks, mut busy) = (0.0, 0.0);
    for process in [&first, &second] {
        let scrape = http::get(process.http(), "/metrics").await.1;
        tasks += http::sample(&scrape, "roadie_intake_moved_total{intake=\"plays\"}").unwrap();
        busy += http::sample(&scrape, "process_cpu_seconds_total").unwrap();
    }
    println!(
        "100,000 tasks moved in {in_all:.2?} with the start of two processes ({since:.2?} since both served), {:.0} a second, {busy} s of CPU",
        tasks / in_all.as_secs_f64()
    );
    #[expect(clippy::float_cmp, reason = "counts")]
    {
        assert_eq!(tasks, 100_000.0, "each is counted once");
    }
    first.kill().await;
    second.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figure is what people ask for")]
async fn tasks_survive_a_storm_of_kills_and_run_once_each() {
    const TASKS: usize = 5_000;
    const KILLS: usize = 12;
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis)).with_plays(8);
    let mut producer = Producer::new(&stage).await;
    let runs = Runs::default();
    let (args, prefix) = (runs.args(), stage.prefix.clone());
    // Jobs that leave nothing behind: whoever comes back cannot know them by their ids.
    producer.push_vanishing((0..TASKS).map(|task| task.to_string()), &args).await;
    let worker = Worker::start(&stage).await;
    // Each is killed in the middle of the move, when a random number of tasks is left.
    let queues = stage.queues().await;
    let mut left = TASKS as u64;
    let mut killed = Vec::new();
    let mut pushed = TASKS;
    let in_the_middle = |killed: &[u64]| killed.iter().filter(|left| **left > 0).count();
    while killed.len() < KILLS || in_the_middle(&killed) < 3 {
        if left < 200 {
            producer
                .push_vanishing((pushed..pushed + TASKS).map(|task| task.to_string()), &args)
                .await;
            pushed += TASKS;
            left += TASKS as u64;
        }
        let enough = fastrand::u64(left * 3 / 4..left);
        let process = Process::start(&mover(&redis, &prefix));
        within(LONG, "some tasks are moved", async || match producer.waiting().await {
            waiting if waiting <= enough => Ok(()),
            waiting => Err(waiting.to_string()),
        })
        .await;
        process.kill().await;
        left = producer.waiting().await;
        killed.push(left);
        // Nothing is left of what became a job before the next one comes.
        within(LONG, "every job has run", async || {
            let depth = queues.depth(PLAYS, 0).await.unwrap();
            let unfinished = depth.of("waiting") + depth.of("active") + depth.of("completed");
            if unfinished == 0 { Ok(()) } else { Err(format!("{depth:?}")) }
        })
        .await;
    }
    println!("{pushed} tasks; killed when so many were left: {killed:?}");
    let survivor = Process::start(&mover(&redis, &prefix));
    moved(&producer).await;
    runs.all_ran_once(pushed).await;
    survivor.kill().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_survive_restarts_of_redis_and_run_once_each() {
    const TASKS: usize = 20_000;
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Stage::on(Arc::clone(&redis));
    let mut producer = Producer::new(&stage).await;
    let args = json!({ "part": "none" });
    producer.push_bulk((0..TASKS).map(|_| args.clone())).await;
    let movers = mover(&redis, &stage.prefix);
    let mut process = Process::serving(&movers).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        redis.kill();
        redis.restart();
    }
    let producer = Producer::new(&stage).await;
    moved(&producer).await;
    let queues = stage.queues().await;
    let depth = queues.depth(PLAYS, 0).await.unwrap();
    assert_eq!(depth.of("waiting"), TASKS as u64);
    let mut redis_now = queues.redis();
    let ids: Vec<String> = redis::cmd("LRANGE")
        .arg(format!("{}:{PLAYS}:wait", stage.prefix))
        .arg(0)
        .arg(-1)
        .query_async(&mut redis_now)
        .await
        .unwrap();
    let different: std::collections::HashSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), TASKS);
    assert!(process.runs(), "{}", process.log());
    // It goes on by itself, and it does not complain at every try.
    let mut producer = Producer::new(&stage).await;
    producer.push_as("after", args, |task| task).await;
    stage.reached(PLAYS, "plays.after", JobState::Waiting).await;
    let complaints = process.log().matches("trouble with an intake").count();
    assert!(complaints <= 6, "{}", process.log());
    process.kill().await;
}

#[tokio::test]
async fn two_processes_move_every_task_once() {
    const TASKS: usize = 4_000;
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis));
    let mut producer = Producer::new(&stage).await;
    let movers = [0, 1, 2].map(|_| mover(&redis, &stage.prefix));
    let fleet: Vec<Process> = futures::stream::iter(&movers).then(Process::serving).collect().await;
    let args = json!({ "part": "none" });
    for _ in 0..40 {
        producer.push_bulk((0..TASKS / 40).map(|_| args.clone())).await;
    }
    moved(&producer).await;
    let added = stage.events(PLAYS, "added").await;
    let different: std::collections::HashSet<&String> = added.iter().collect();
    assert_eq!((added.len(), different.len()), (TASKS, TASKS));
    for process in fleet {
        process.kill().await;
    }
}

#[tokio::test]
async fn a_full_redis_holds_tasks_up_and_loses_none() {
    const TASKS: usize = 500;
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis));
    let mut producer = Producer::new(&stage).await;
    let movers = mover(&redis, &stage.prefix);
    let mut process = Process::serving(&movers).await;
    let memory = async |most: &str| {
        let mut redis = stage.queues().await.redis();
        let mut set = redis::cmd("CONFIG");
        set.arg(&["SET", "maxmemory", most]).query_async::<()>(&mut redis).await.unwrap();
    };
    process.signal("STOP");
    producer.push_bulk((0..TASKS).map(|_| json!({ "part": "none" }))).await;
    memory("1").await;
    process.signal("CONT");
    process.logged("its memory is full").await;
    assert_eq!(producer.waiting().await, TASKS as u64);
    memory("0").await;
    moved(&producer).await;
    let depth = stage.queues().await.depth(PLAYS, 0).await.unwrap();
    assert_eq!(depth.of("waiting"), TASKS as u64);
    assert!(process.runs());
    process.kill().await;
}
