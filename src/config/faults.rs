//! Values that cannot be meant, in words.

use std::collections::BTreeMap;
use std::time::Duration;

use roadie_jobs::Registry;
use tracing_subscriber::EnvFilter;

use super::Config;

/// More would not be jobs at once but a mistake, and what is made of it has limits of its own.
const MOST: usize = 10_000;
/// The same for durations.
const LONGEST: Duration = Duration::from_hours(365 * 24);
/// No value in Redis is larger.
const LARGEST_BODY: usize = 512 * 1024 * 1024;
const LEAST_MEMORY: u64 = 1024 * 1024;

impl Config {
    /// Everything that is wrong with the values, in words; empty: usable.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        self.worker_faults(&mut faults);
        self.queue_faults(&mut faults);
        self.intake_faults(&mut faults);
        self.duration_faults(&mut faults);
        self.http_faults(&mut faults);
        faults.bound("database.pool_size", self.database.pool_size as usize, 1);
        faults.bound("photos.read_ahead", self.photos.read_ahead, 1);
        faults.need(!self.canary.every.is_zero(), || "canary.every must not be 0".into());
        // An idle worker looks for jobs every 2 s when nothing wakes it, and a canary wakes nobody.
        faults.need(self.canary.within >= self.canary.every + Duration::from_secs(5), || {
            "canary.within must be at least 5s longer than canary.every".into()
        });
        faults.need(!self.retention.every.is_zero(), || "retention.every must not be 0".into());
        faults.need(self.retention.nearly_full <= 100, || {
            format!("retention.nearly_full is {}; it is per cent", self.retention.nearly_full)
        });
        faults.need(self.photos.max_pixels > 0, || "photos.max_pixels must be at least 1".into());
        self.redis_faults(&mut faults);
        let keys = [&self.objects.access_key_id, &self.objects.secret_access_key];
        faults.need(
            self.objects.endpoint.is_empty() || keys.iter().all(|key| !key.is_empty()),
            || "objects.endpoint is set, but objects.access_key_id or objects.secret_access_key is not".into(),
        );
        if let Err(error) = EnvFilter::try_new(&self.log.level) {
            faults.0.push(format!("log.level `{}` is not a filter: {error}", self.log.level));
        }
        faults.0.extend(self.images.faults());
        faults.0.extend(self.exports.faults(&self.images));
        faults.0.extend(self.mail.faults());
        faults.0.extend(self.tokens.faults());
        faults.0.extend(self.google.faults(self.tokens.keys.len()));
        faults.0.extend(self.services.faults());
        faults.0.extend(self.budgets.faults());
        faults.0.extend(self.web_cache.faults());
        faults.0.extend(self.schedule_faults());
        faults.0
    }

    /// Settings for kinds that nobody handles, in words.
    pub fn unknown_kinds(&self, registry: &Registry) -> Vec<String> {
        let named = self.kinds.keys().map(|kind| (format!("kinds.{kind} is configured"), kind));
        // Of a queue that others serve, they know the kinds.
        let ours = |queue: &String| self.queues.contains_key(queue);
        let wanted =
            self.intake.apalis.iter().filter(|(_, intake)| intake.queue.as_ref().is_none_or(ours));
        let wanted = wanted.map(|(name, intake)| {
            (format!("intake.apalis.{name}.kind is `{}`", intake.kind), &intake.kind)
        });
        let known: Vec<&str> = registry.entries().map(|entry| entry.kind).collect();
        let known = known.join(", ");
        named
            .chain(wanted)
            .filter(|(_, kind)| registry.get(kind).is_none())
            .map(|(what, _)| format!("{what}, but there is no such kind; there are: {known}"))
            .collect()
    }

    fn redis_faults(&self, faults: &mut Faults) {
        let redis = &self.redis;
        faults.need(!redis.prefix.is_empty(), || "redis.prefix must not be empty".into());
        faults.need(redis.cluster_nodes.is_empty() || hash_tag(&redis.prefix).is_some(), || {
            format!(
                "redis.cluster_nodes is set, so redis.prefix must hold a hash tag, such as \"{{bull}}\"; \
                 it is \"{}\", and the keys of one queue would lie on several nodes",
                redis.prefix
            )
        });
        let nodes = redis.cluster_nodes.iter().map(|node| ("redis.cluster_nodes", node));
        for (key, node) in nodes.chain(redis.sentinels.iter().map(|node| ("redis.sentinels", node)))
        {
            // What stands before an `@` may be a password.
            let shown = node.rsplit('@').next().unwrap_or_default();
            faults.need(is_node(node), || format!("{key}: `{shown}` is not host:port"));
        }
        faults.need(redis.sentinels.is_empty() || redis.cluster_nodes.is_empty(), || {
            "redis.sentinels and redis.cluster_nodes are both set; it is one or the other".into()
        });
        faults.need(redis.sentinels.is_empty() || !redis.sentinel_master.is_empty(), || {
            "redis.sentinels is set, but redis.sentinel_master is not".into()
        });
        let own = [&redis.cert_file, &redis.key_file].map(|file| !file.as_os_str().is_empty());
        faults.need(own[0] == own[1], || {
            "redis.cert_file and redis.key_file belong together; one of them is not set".into()
        });
        let files = own[0] || !redis.ca_file.as_os_str().is_empty();
        faults.need(!files || redis.url.reveal().starts_with("rediss://"), || {
            "redis.ca_file or redis.cert_file is set, but redis.url does not begin with rediss:// (TLS)"
                .into()
        });
        for (key, duration) in [
            ("redis.connect_timeout", redis.connect_timeout),
            ("redis.answer_timeout", redis.answer_timeout),
        ] {
            faults.need(!duration.is_zero(), || format!("{key} must not be 0"));
            faults.within(key, duration);
        }
    }

    fn worker_faults(&self, faults: &mut Faults) {
        let worker = &self.worker;
        let queues = self.queues.len();
        faults.bound("worker.slots", worker.slots, 0);
        faults.need(worker.slots >= queues.max(1), || {
            format!(
                "worker.slots is {}, but {queues} queues are served and each keeps at least one slot",
                worker.slots
            )
        });
        faults.bound("worker.queue_slots", worker.queue_slots, 1);
        faults.bound("worker.heavy_slots", worker.heavy_slots, 1);
        faults.bound("worker.io_slots", worker.io_slots, 0);
        faults.bound("worker.cpu_slots", worker.cpu_slots, 0);
        faults.bound("worker.handler_threads", worker.handler_threads, 0);
        faults.need(worker.max_crashes > 0, || "worker.max_crashes must be at least 1".into());
        faults.need(worker.lease >= Duration::from_secs(1), || {
            format!("worker.lease is {:?}; shorter than 1s jobs would be run twice", worker.lease)
        });
        faults.need(worker.memory_budget.is_none_or(|bytes| bytes >= LEAST_MEMORY), || {
            "worker.memory_budget is less than 1MiB: no picture would fit".into()
        });
        faults
            .need(!worker.recovery_scan.is_zero(), || "worker.recovery_scan must not be 0".into());
    }

    fn queue_faults(&self, faults: &mut Faults) {
        faults.need(!self.queues.is_empty(), || {
            "queues: none is configured, so nothing would be served".into()
        });
        for (name, queue) in &self.queues {
            faults.need(!name.is_empty() && !name.contains(':'), || {
                format!("queues.{name}: BullMQ allows no `:` in a queue's name")
            });
            if let Some(slots) = queue.slots {
                faults.bound(&format!("queues.{name}.slots"), slots, 1);
            }
            faults.need(queue.weight != Some(0), || {
                format!("queues.{name}.weight must be at least 1")
            });
            faults.need(queue.fair_share.is_none_or(|share| share > 0.0 && share <= 1.0), || {
                format!("queues.{name}.fair_share must be above 0 and at most 1")
            });
            for (user, weight) in &queue.user_weights {
                faults.need((0.01..=100.0).contains(weight), || {
                    format!("queues.{name}.user_weights.{user} must be between 0.01 and 100")
                });
            }
        }
    }

    fn intake_faults(&self, faults: &mut Faults) {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, intake) in &self.intake.apalis {
            let key = format!("intake.apalis.{name}");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            faults.need(!name.is_empty() && name.chars().all(plain), || {
                format!("{key}: an intake's name becomes a part of job ids, so it holds only letters, digits, - and _")
            });
            faults.need(!intake.kind.is_empty(), || format!("{key}.kind must not be empty"));
            if let Some(queue) = &intake.queue {
                faults.need(!queue.is_empty() && !queue.contains(':'), || {
                    format!("{key}.queue: BullMQ allows no `:` in a queue's name, and no empty one")
                });
            }
            let namespace = intake.namespace(name);
            faults.need(!namespace.is_empty(), || format!("{key}.namespace must not be empty"));
            if let Some(other) = taken.insert(namespace, name) {
                faults.0.push(format!(
                    "{key} takes from apalis' queue `{namespace}`, as intake.apalis.{other} does already"
                ));
            }
            let tags = hash_tag(namespace) == hash_tag(&self.redis.prefix);
            faults.need(self.redis.cluster_nodes.is_empty() || tags, || {
                format!(
                    "redis.cluster_nodes is set, so {key}.namespace must hold the hash tag of redis.prefix, \
                     \"{}\"; it is \"{namespace}\", and no task could become a job in one step",
                    self.redis.prefix
                )
            });
            let ours = self.queues.keys().chain(intake.queue.as_ref());
            for queue in ours.filter(|queue| namespace == format!("{}:{queue}", self.redis.prefix))
            {
                faults.0.push(format!(
                    "{key}.namespace is `{namespace}`, where the keys of queue {queue} are; producers need another one"
                ));
            }
            faults.need(intake.poll >= Duration::from_millis(1), || {
                format!("{key}.poll must be at least 1ms")
            });
            faults.within(&format!("{key}.poll"), intake.poll);
            faults.within(&format!("{key}.keep"), intake.keep);
        }
    }

    fn http_faults(&self, faults: &mut Faults) {
        let http = &self.http;
        let open = http.listen.filter(|listen| !listen.ip().to_canonical().is_loopback());
        if let Some(listen) = open.filter(|_| http.api && http.tokens.is_empty()) {
            faults.0.push(format!(
                "http.listen is {listen}, which other hosts can reach, but http.tokens is empty, so that \
                 anybody could add and cancel jobs: set a token (ROADIE_HTTP__TOKENS), listen on \
                 127.0.0.1, or switch the API off with http.api = false"
            ));
        }
        for (at, token) in http.tokens.iter().enumerate() {
            let sendable = token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
            faults.need(sendable && !token.is_empty(), || {
                format!("http.tokens: number {} is empty, or holds what no header can", at + 1)
            });
        }
        faults.need((1..=LARGEST_BODY).contains(&http.max_body), || {
            format!("http.max_body is {}; 1 to {LARGEST_BODY} bytes are possible", http.max_body)
        });
        faults.bound("http.max_streams", http.max_streams, 0);
    }

    fn duration_faults(&self, faults: &mut Faults) {
        let (worker, database) = (&self.worker, &self.database);
        for (key, duration) in [
            ("worker.grace_period", worker.grace_period),
            ("worker.stop_within", worker.stop_within),
            ("worker.cancel_within", worker.cancel_within),
            ("worker.lease", worker.lease),
            ("worker.recovery_scan", worker.recovery_scan),
            ("database.acquire_timeout", database.acquire_timeout),
            ("database.statement_timeout", database.statement_timeout),
            ("database.idle_timeout", database.idle_timeout),
            ("database.slow_query", database.slow_query),
            ("objects.timeout", self.objects.timeout),
            ("images.link_lasts", self.images.link_lasts),
            ("exports.keep", self.exports.keep),
            ("exports.link_lasts", self.exports.link_lasts),
            ("exports.every", self.exports.every),
            ("retention.every", self.retention.every),
            ("mail.first_pause", self.mail.first_pause),
            ("mail.longest_pause", self.mail.longest_pause),
            ("mail.give_up", self.mail.give_up),
            ("canary.every", self.canary.every),
            ("canary.within", self.canary.within),
            ("defaults.timeout", self.defaults.timeout.unwrap_or_default()),
        ] {
            faults.within(key, duration);
        }
        for (key, duration) in self.cache.durations() {
            faults.need(!duration.is_zero(), || format!("{key} must not be 0"));
            faults.within(key, duration);
        }
        for (name, kind) in &self.kinds {
            for (key, duration) in [
                ("timeout", kind.timeout),
                ("backoff_base", kind.backoff_base),
                ("backoff_cap", kind.backoff_cap),
            ] {
                faults.within(&format!("kinds.{name}.{key}"), duration.unwrap_or_default());
            }
        }
    }
}

/// What Redis Cluster hashes instead of the whole key.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// `host:port`, perhaps behind a scheme. Credentials have a place of their own, which does not print.
fn is_node(node: &str) -> bool {
    let node = node.rsplit_once("://").map_or(node, |(_, node)| node);
    let port = node.rsplit_once(':').and_then(|(host, port)| {
        (!host.is_empty() && !host.contains(['@', '/'])).then(|| port.parse::<u16>().ok())?
    });
    port.is_some_and(|port| port > 0)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn need(&mut self, ok: bool, fault: impl FnOnce() -> String) {
        if !ok {
            self.0.push(fault());
        }
    }

    fn bound(&mut self, key: &str, value: usize, least: usize) {
        self.need(value >= least, || format!("{key} must be at least {least}"));
        self.need(value <= MOST, || format!("{key} is {value}; at most {MOST} is allowed"));
    }

    fn within(&mut self, key: &str, duration: Duration) {
        self.need(duration <= LONGEST, || format!("{key} is longer than a year"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_tags_are_as_redis_finds_them() {
        for (prefix, tag) in [
            ("{bull}", Some("bull")),
            ("a{bull}b{c}", Some("bull")),
            ("bull", None),
            ("{}", None),
            ("}{", None),
        ] {
            assert_eq!(hash_tag(prefix), tag, "{prefix}");
        }
    }

    #[test]
    fn nodes_are_hosts_with_ports() {
        for (node, fine) in [
            ("redis-1:26379", true),
            ("[::1]:7000", true),
            ("rediss://redis-1:7000", true),
            ("redis-1", false),
            (":7000", false),
            ("redis-1:0", false),
            ("redis://me:secret@redis-1:7000", false),
            ("redis://redis-1:7000/0", false),
        ] {
            assert_eq!(is_node(node), fine, "{node}");
        }
    }
}
