// The same jobs, run by BullMQ's worker and by ours: what they leave in Redis is the same.
import assert from 'node:assert/strict';
import { node, plant } from '../harness/jobs.mjs';

export const direction = 'both workers, side by side';
export const notFor = { node: 'both workers take part in any case' };

/** What differs by nature: times, the worker's name, traces of another language. */
const TIMES = ['timestamp', 'processedOn', 'finishedOn'];
const OWN = ['pb', 'stacktrace'];

/** A text without the prefix, and JSON as what it says. */
function plain(bench, text) {
  const same = text.replaceAll(bench.prefix, 'prefix');
  try {
    return JSON.parse(same);
  } catch {
    return same;
  }
}

/** A job's hash, without what differs by nature and what only Roadie keeps. */
async function hash(bench, key) {
  const fields = Object.entries(await bench.raw().hgetall(key));
  const kept = fields.filter(([name]) => !OWN.includes(name) && !name.startsWith('roadie:'));
  const seen = ([name, value]) => [plain(bench, name), TIMES.includes(name) ? value > 0 : plain(bench, value)];
  return Object.fromEntries(kept.map(seen));
}

/** The events of a queue by job, in their order. That the queue is drained is said now and then. */
async function stream(bench, key) {
  const byJob = {};
  for (const [, flat] of await bench.raw().xrange(key, '-', '+')) {
    const { jobId, delay, ...event } = Object.fromEntries(
      flat.flatMap((name, i) => (i % 2 ? [] : [[name, plain(bench, flat[i + 1])]])),
    );
    if (jobId) (byJob[jobId] ??= []).push(delay === undefined ? event : { ...event, delay: delay > 0 });
  }
  return byJob;
}

/** Everything below the prefix: hashes and events as they are, of the rest what it is. */
async function left(bench) {
  const redis = bench.raw();
  const found = {};
  for (const key of await redis.keys(`${bench.prefix}:*`)) {
    const name = key.slice(bench.prefix.length + 1);
    // Counters, markers and claims come and go with the worker that looks at them.
    if (/^(roadie.*|.*:(roadie.*|meta|id|pc|marker|stalled-check))$/.test(name)) continue;
    if (name.endsWith(':events')) found[name] = await stream(bench, key);
    else if ((await redis.type(key)) === 'hash') found[name] = await hash(bench, key);
    else found[name] = await redis.type(key);
  }
  return found;
}

/** Runs what `add` adds with both workers, each below a prefix of its own, and compares. */
async function compare(bench, add, options = {}) {
  const prefix = bench.prefix;
  const sides = {};
  for (const worker of ['theirs', 'roadie']) {
    bench.prefix = `${prefix}-${worker}`;
    const queue = await bench.queue();
    const events = await bench.events();
    const jobs = await add(queue);
    const started = await bench.work({ worker, slots: 1, ...options });
    await events.ended(jobs);
    await started.stop();
    sides[worker] = await left(bench);
  }
  assert.deepEqual(sides.roadie, sides.theirs);
}

const add = (queue, data, opts) => queue.add('rehearse', data, opts);

export const features = {
  'a job that completes': (bench) =>
    compare(bench, async (queue) => [await add(queue, { act: 'return', value: { a: [1] } }, { attempts: 1 })]),

  'a job that fails for good': (bench) =>
    compare(bench, async (queue) => [await add(queue, { act: 'fail', message: 'no luck' }, { attempts: 1 })]),

  'a job that may not be tried again': (bench) =>
    compare(bench, async (queue) => [await add(queue, { act: 'discard', message: 'no' }, { attempts: 5 })]),

  'a job that completes when it is tried again, at once and after a pause': (bench) =>
    compare(bench, async (queue) => [
      await add(queue, { act: 'return', value: 1, failures: 1 }, { attempts: 2 }),
      await add(queue, { act: 'return', value: 2, failures: 2 }, { attempts: 3, backoff: 30 }),
      await add(queue, { act: 'return', value: 3, failures: 1 }, { attempts: 2, priority: 4 }),
    ]),

  'a job that uses up its attempts': (bench) =>
    compare(bench, async (queue) => [await add(queue, { act: 'fail' }, { attempts: 3, backoff: 20 })]),

  'jobs with delay, priority, lifo': (bench) =>
    compare(bench, async (queue) => [
      await add(queue, { act: 'return' }, { attempts: 1, delay: 50 }),
      await add(queue, { act: 'return' }, { attempts: 1, priority: 3 }),
      await add(queue, { act: 'return' }, { attempts: 1, priority: 1, delay: 50 }),
      await add(queue, { act: 'return' }, { attempts: 1, lifo: true }),
    ]),

  'jobs that are not kept': (bench) =>
    compare(bench, async (queue) => [
      await add(queue, { act: 'return' }, { attempts: 1, removeOnComplete: true }),
      await add(queue, { act: 'discard' }, { attempts: 1, removeOnFail: true }),
      await add(queue, { act: 'return' }, { attempts: 1, removeOnComplete: { count: 1 } }),
    ]),

  'logs and progress': (bench) =>
    compare(bench, async (queue) => [
      await add(queue, { act: 'log', lines: ['a', 'b', 'c'] }, { attempts: 1, keepLogs: 2 }),
      await add(queue, { act: 'steps', steps: 1, stepMs: 1 }, { attempts: 1 }),
    ]),

  'deduplicated jobs': (bench) =>
    compare(bench, async (queue) => [
      await add(queue, { act: 'return', value: 1 }, { attempts: 1, deduplication: { id: 'a' } }),
      await add(queue, { act: 'return', value: 2 }, { attempts: 1, deduplication: { id: 'b', ttl: 60_000 } }),
      await add(queue, { act: 'fail' }, { attempts: 1, deduplication: { id: 'c', keepLastIfActive: true } }),
    ]),

  'a job that is postponed': (bench) =>
    compare(bench, async (queue) => [await add(queue, { act: 'postpone', afterMs: 30 }, { attempts: 1 })]),

  ...Object.fromEntries(
    ['failParentOnFailure', 'ignoreDependencyOnFailure', 'removeDependencyOnFailure', 'continueParentOnFailure'].map(
      (option) => [
        `a flow with ${option}`,
        (bench) =>
          compare(bench, () =>
            plant(
              bench,
              node({ act: 'return', value: 'parent' }, { jobId: 'parent' }, [
                node({ act: 'return', value: 'good' }, { jobId: 'good' }),
                node({ act: 'discard', message: 'no' }, { jobId: 'bad', [option]: true }),
              ]),
            ),
          ),
      ],
    ),
  ),
};
