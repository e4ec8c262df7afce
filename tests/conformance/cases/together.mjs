// Roadie and a BullMQ worker of the client's version serve one queue: a migration in mid-air.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { holds, ids, node, plant, returns, started } from '../harness/jobs.mjs';

export const direction = 'both workers on one queue';
export const notFor = { node: 'both workers take part in any case' };

/** Both workers on one queue; `options` are for both. */
async function both(bench, options = {}) {
  const [queue, events, theirs] = await Promise.all([
    bench.queue(),
    bench.events(),
    bench.work({ worker: 'theirs', ...options }),
    bench.work({ worker: 'roadie', ...options }),
  ]);
  return { queue, events, theirs };
}

/** Checks that each job ran once, and that both workers had their part. */
function checkShares(bench, jobs, events, { ran }) {
  for (const id of ids(jobs)) {
    assert.equal(events.of('active', id).length, 1, `job ${id}`);
    assert.equal(events.of('completed', id).length, 1, `job ${id}`);
  }
  const ours = jobs.length - ran.size;
  assert.ok(ours > 5 && ran.size > 5, `Roadie ${ours}, BullMQ ${ran.size}`);
  bench.note(`Roadie ${ours}, BullMQ ${ran.size}`);
}

/** The most jobs that ran at the same time. */
function atOnce(events) {
  const steps = events.seen.map(({ event }) => ({ active: 1, completed: -1 })[event] ?? 0);
  let now = 0;
  return Math.max(...steps.map((step) => (now += step)));
}

/** A job that fails under the first worker and is finished by the second. */
async function handOver(bench, first, second) {
  const queue = await bench.queue();
  const events = await bench.events();
  // The PyPI client's worker takes jobs while it closes, and drops them: none is due before it is gone.
  const drops = first === 'theirs' && bench.client === 'python';
  const opts = { attempts: 3, backoff: drops ? 8_000 : 1_500 };
  const job = await queue.add('rehearse', { act: 'return', value: 'done', failures: 1 }, opts);
  const before = await bench.work({ worker: first });
  await events.until(`${first} fails`, () => events.of('delayed', job.id).length === 1);
  const failed = await queue.getJob(job.id);
  assert.equal(failed.attemptsMade, 1);
  assert.equal(failed.failedReason, 'attempt 1 fails as asked');
  await before.stop();
  await bench.work({ worker: second });
  await events.ended([job]);
  const ended = await queue.getJob(job.id);
  assert.equal(ended.returnvalue, 'done');
  assert.equal(ended.attemptsMade, 2);
  assert.equal(ended.stacktrace.length, 1);
}

/** A flow whose parent is one worker's and whose children are the other's. */
async function flowAcross(bench, parents, children) {
  const [queue, events] = await Promise.all([
    bench.queue(),
    bench.events(),
    bench.work({ worker: parents }),
    bench.work({ worker: children, queues: ['below'] }),
  ]);
  const below = (data, opts) => node(data, { queueName: 'below', ...opts });
  const trees = [
    node({ act: 'collect' }, {}, [below({ act: 'return', value: 1 }), below({ act: 'return', value: 2 })]),
    node({ act: 'collect' }, {}, [below({ act: 'discard', message: 'no luck' }, { ignoreDependencyOnFailure: true })]),
    node({ act: 'collect' }, {}, [below({ act: 'discard' }, { failParentOnFailure: true })]),
  ];
  const flows = await Promise.all(trees.map((tree) => plant(bench, tree)));
  await events.ended(flows.map(([parent]) => parent));
  const [good, ignored, failed] = await Promise.all(flows.map(([parent]) => queue.getJob(parent.id)));
  assert.deepEqual([...good.returnvalue.completed].sort(), [1, 2]);
  assert.deepEqual(ignored.returnvalue, { completed: [], failed: ['no luck'] });
  assert.match(failed.failedReason, /^child .* failed$/);
}

export const features = {
  '300 jobs run once each, and both do some': async (bench) => {
    const { queue, events, theirs } = await both(bench, { slots: 4 });
    // Each takes a while, so that neither worker is done before the other has begun.
    const wish = (_, i) => holds(30 + (i % 5), { priority: i % 3, delay: i % 10 === 0 ? 100 : 0 });
    const added = await queue.addBulk(Array.from({ length: 300 }, wish));
    await events.ended(added);
    checkShares(bench, added, events, theirs);
    for (const { id } of added) assert.deepEqual((await queue.getJob(id)).returnvalue, { steps: 1, resumedAt: 0 });
  },

  'the concurrency of the queue is one for both': async (bench) => {
    const { queue, events, theirs } = await both(bench);
    await queue.setGlobalConcurrency(2);
    const added = await queue.addBulk(Array.from({ length: 40 }, () => holds(25)));
    await events.ended(added);
    assert.equal(atOnce(events), 2);
    bench.note(`Roadie ${added.length - theirs.ran.size}, BullMQ ${theirs.ran.size}`);
  },

  'the rate of the queue is one for both': async (bench) => {
    const { queue, events } = await both(bench);
    await queue.setGlobalRateLimit(3, 250);
    const added = await queue.addBulk(Array.from({ length: 12 }, (_, i) => returns(i)));
    await events.ended(added);
    const at = events.of('active').map((event) => event.at);
    for (const i of [0, 3, 6]) assert.ok(at[i + 3] - at[i] >= 245, `active at ${at.map((time) => time - at[0])}`);
  },

  'a schedule fires once each time, whoever runs it': async (bench) => {
    const { queue, events, theirs } = await both(bench);
    await queue.upsertJobScheduler('ticks', { every: 50, limit: 30 }, holds(40));
    await events.until('30 runs', () => events.of('completed').length >= 30);
    const order = started(events);
    assert.equal(order.length, 30);
    assert.equal(new Set(order).size, 30);
    bench.note(`Roadie ${30 - theirs.ran.size}, BullMQ ${theirs.ran.size}`);
  },

  'a parent of ours with children of theirs': (bench) => flowAcross(bench, 'roadie', 'theirs'),
  'a parent of theirs with children of ours': (bench) => flowAcross(bench, 'theirs', 'roadie'),

  'what roadie retries BullMQ may finish': (bench) => handOver(bench, 'roadie', 'theirs'),
  'what BullMQ retries roadie may finish': (bench) => handOver(bench, 'theirs', 'roadie'),

  'a job that roadie releases at its end is finished by BullMQ': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const before = await bench.work({
      worker: 'roadie',
      settings: { 'worker.grace_period': '50ms' },
      exit: 75,
    });
    const job = await queue.add('rehearse', { act: 'steps', steps: 20, stepMs: 50 }, { attempts: 1 });
    await events.until('progress', () => events.of('progress', job.id).length > 0);
    await before.stop();
    assert.equal(await job.getState(), 'waiting');
    await bench.work({ worker: 'theirs' });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue.steps, 20);
    assert.equal(ended.attemptsMade, 1, 'the release counted no attempt');
  },

  'a BullMQ worker that is killed: Roadie runs its job again': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const job = await queue.add('rehearse', { act: 'return', value: 'recovered' }, { attempts: 1 });
    const doomed = bench.doomed({ lockDuration: 500 });
    await events.until('it runs', () => events.of('active', job.id).length > 0);
    await doomed.stop('SIGKILL');
    await bench.work({ worker: 'roadie', settings: { 'worker.recovery_scan': '200ms' } });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue, 'recovered');
    assert.equal(ended.attemptsMade, 1);
    assert.equal(ended.attemptsStarted, 2);
    assert.equal(events.of('stalled', job.id).length, 1);
  },

  'Roadie is killed: a BullMQ worker runs its job again': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const job = await queue.add('rehearse', { act: 'steps', steps: 3, stepMs: 300 }, { attempts: 1 });
    const ours = await bench.work({ worker: 'roadie', settings: { 'worker.lease': '1s' } });
    await events.until('progress', () => events.of('progress', job.id).length > 0);
    await ours.kill();
    await bench.work({ worker: 'theirs', own: { stalledInterval: 300 } });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue.steps, 3);
    assert.equal(ended.attemptsMade, 1);
    assert.equal(ended.attemptsStarted, 2);
  },

  'a job that kills Roadie, too, is given up on': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const job = await queue.add('rehearse', { act: 'crash' }, { attempts: 5 });
    const doomed = bench.doomed({ lockDuration: 300 });
    await events.until('it runs', () => events.of('active', job.id).length > 0);
    await doomed.stop('SIGKILL');
    const settings = { 'worker.lease': '1s', 'worker.recovery_scan': '200ms', 'worker.max_crashes': 2 };
    const first = await bench.work({ worker: 'roadie', settings, crashes: true });
    await first.crashed;
    await bench.work({ worker: 'roadie', settings });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(await ended.getState(), 'failed');
    assert.match(ended.failedReason, /stalled more than allowable limit/);
    assert.equal(ended.attemptsMade, 1);
  },
};
