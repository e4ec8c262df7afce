// Jobs that are one because they share a deduplication id.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { ids, ONCE, started, toDo } from '../harness/jobs.mjs';

const SLOW = { act: 'steps', steps: 1, stepMs: 800 };
const key = (bench, id) => `${bench.prefix}:rehearsals:de:${id}`;

/** Adds a job that returns `value`. */
function add(queue, value, deduplication, opts = {}) {
  return queue.add('rehearse', { act: 'return', value }, { ...ONCE, ...opts, deduplication });
}

/** The values of the jobs that completed, in their order. */
const values = (events) => events.of('completed').map((event) => event.returnvalue);

/** A queue whose only slot is held by a job with this deduplication. */
async function busy(bench, deduplication, data = SLOW) {
  const { queue, events } = await bench.set({ slots: 1, settings: { 'kinds.rehearse.timeout': '2s' } });
  const first = await queue.add('rehearse', data, { ...ONCE, deduplication });
  await events.until('it runs', () => events.of('active', first.id).length > 0);
  return { queue, events, first };
}

export const features = {
  'simple: one at a time until it has ended, well or badly': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { ...ONCE, deduplication: { id: 'user-7' } };
    const first = await queue.add('rehearse', SLOW, opts);
    assert.equal((await queue.add('rehearse', SLOW, opts)).id, first.id);
    await events.ended([first]);
    const second = await queue.add('rehearse', { act: 'fail' }, opts);
    assert.notEqual(second.id, first.id);
    await events.ended([second]);
    const third = await queue.add('rehearse', { act: 'return' }, opts);
    assert.notEqual(third.id, second.id, 'a failed job frees its id too');
    await events.ended([third]);
    assert.deepEqual(started(events), ids([first, second, third]));
  },

  'simple: the id is held while the job is retried': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 3, backoff: 600, deduplication: { id: 'user-7' } };
    const job = await queue.add('rehearse', { act: 'return', value: 'first', failures: 2 }, opts);
    for (const pause of [1, 2]) {
      await events.until(`pause ${pause}`, () => events.of('delayed', job.id).length === pause);
      assert.equal((await add(queue, 'more', { id: 'user-7' })).id, job.id);
    }
    await events.ended([job]);
    assert.deepEqual(values(events), ['first']);
  },

  'simple: the client can ask who holds an id, and hears of duplicates': async (bench) => {
    const { queue, events } = await bench.set();
    const first = await add(queue, 1, { id: 'user-7' }, { delay: 800 });
    assert.equal(await queue.getDeduplicationJobId('user-7'), first.id);
    await add(queue, 2, { id: 'user-7' });
    await events.ended([first]);
    const [heard] = events.of('deduplicated');
    assert.equal(heard.jobId, first.id);
    assert.equal(heard.deduplicationId, 'user-7');
    assert.equal(await queue.getDeduplicationJobId('user-7'), null);
  },

  'simple: a job that is removed frees its id': async (bench) => {
    const { queue, events } = await bench.set();
    const first = await add(queue, 1, { id: 'user-7' }, { delay: 3_600_000 });
    await first.remove();
    const second = await add(queue, 2, { id: 'user-7' });
    assert.notEqual(second.id, first.id);
    await events.ended([second]);
    assert.deepEqual(values(events), [2]);
  },

  'throttle: one within its time, also after it has ended': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { id: 'user-7', ttl: 700 };
    const first = await add(queue, 1, opts);
    await events.ended([first]);
    assert.equal((await add(queue, 2, opts)).id, first.id);
    const redis = bench.raw();
    await eventually('the time is over', async () => (await redis.exists(key(bench, 'user-7'))) === 0);
    const third = await add(queue, 3, opts);
    await events.ended([third]);
    assert.deepEqual(values(events), [1, 3]);
    assert.ok(events.of('added', third.id)[0].at - events.of('added', first.id)[0].at >= 699);
  },

  'extend: each one makes the time start anew': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { id: 'user-7', ttl: 800, extend: true };
    const first = await add(queue, 1, opts);
    await events.ended([first]);
    const redis = bench.raw();
    await eventually('half of the time is over', async () => (await redis.pttl(key(bench, 'user-7'))) < 400);
    assert.equal((await add(queue, 2, opts)).id, first.id);
    assert.ok((await redis.pttl(key(bench, 'user-7'))) > 600, 'it has started anew');
    assert.deepEqual(values(events), [1]);
  },

  'debounce: the last of many, its time after it came': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { id: 'user-7', ttl: 400, extend: true, replace: true };
    let last;
    for (const value of [1, 2, 3, 4]) last = await add(queue, value, opts, { delay: 400 });
    await events.ended([last]);
    assert.deepEqual(values(events), [4]);
    const ended = await queue.getJob(last.id);
    assert.ok(ended.processedOn - ended.timestamp >= 399);
    const counts = await queue.getJobCounts();
    assert.equal(counts.completed + counts.delayed + counts.waiting, 1);
  },

  'replace: the data of a job that is still delayed': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { id: 'user-7', replace: true };
    const first = await add(queue, 'old', opts, { delay: 3_600_000 });
    const second = await add(queue, 'new', opts, { delay: 50 });
    await events.ended([second]);
    assert.deepEqual(values(events), ['new']);
    assert.equal(await queue.getJob(first.id), undefined);
    assert.equal(events.of('removed', first.id)[0].prev, 'delayed');
  },

  'replace: not of a job that runs': async (bench) => {
    const opts = { id: 'user-7', replace: true };
    const { queue, events, first } = await busy(bench, opts);
    assert.equal((await add(queue, 'late', opts, { delay: 10 })).id, first.id);
    await events.ended([first]);
    const next = await add(queue, 'next', opts);
    await events.ended([next]);
    assert.deepEqual(values(events).slice(1), ['next']);
  },

  'keepLastIfActive: the last one runs once the first has ended': async (bench) => {
    const opts = { id: 'user-7', keepLastIfActive: true };
    const { queue, events, first } = await busy(bench, opts);
    for (const value of [1, 2, 3]) await add(queue, value, opts);
    await events.until('two are done', () => events.of('completed').length === 2);
    assert.deepEqual(values(events), [{ steps: 1, resumedAt: 0 }, 3]);
    assert.notEqual(started(events)[1], first.id);
    await eventually('the id is free', async () => (await queue.getDeduplicationJobId('user-7')) === null);
    assert.equal(await toDo(queue), 0);
  },

  'keepLastIfActive: also when the first one fails for good': async (bench) => {
    const opts = { id: 'user-7', keepLastIfActive: true };
    const { queue, events, first } = await busy(bench, opts, { act: 'hang' });
    await add(queue, 'next', opts);
    await events.ended([first]);
    await events.until('the last one is done', () => events.of('completed').length === 1);
    assert.deepEqual(values(events), ['next']);
    assert.equal(events.of('failed', first.id).length, 1);
  },

  'keepLastIfActive: not while the first one is only retried': async (bench) => {
    const { queue, events } = await bench.set({ slots: 1 });
    const deduplication = { id: 'user-7', keepLastIfActive: true };
    const opts = { attempts: 2, backoff: 700, deduplication };
    const first = await queue.add('rehearse', { act: 'return', value: 'first', failures: 1 }, opts);
    await events.until('it is delayed', () => events.of('delayed', first.id).length > 0);
    assert.equal((await add(queue, 'while it waits', deduplication)).id, first.id);
    await events.ended([first]);
    const after = await add(queue, 'after', deduplication);
    await events.ended([after]);
    assert.deepEqual(values(events), ['first', 'after']);
  },

  'keepLastIfActive: the next one keeps its options': async (bench) => {
    const opts = { id: 'user-7', keepLastIfActive: true };
    const { queue, events } = await busy(bench, opts);
    await queue.add('rehearse', { act: 'return', value: 'next', failures: 1 }, {
      ...{ attempts: 2, backoff: 50, priority: 3, delay: 200, removeOnComplete: true },
      deduplication: opts,
    });
    await events.until('two are done', () => events.of('completed').length === 2);
    const id = started(events)[1];
    const names = events.seen.filter((event) => event.jobId === id).map((event) => event.event);
    assert.deepEqual(names.filter((name) => /delayed|active|completed/.test(name)), [
      ...['delayed', 'active', 'delayed', 'active', 'completed'],
    ]);
    assert.equal(await queue.getJob(id), undefined);
  },

  'an id that is freed by hand lets the next one in': async (bench) => {
    const opts = { id: 'user-7' };
    const { queue, events, first } = await busy(bench, opts);
    assert.equal(await queue.removeDeduplicationKey('user-7'), 1);
    const second = await add(queue, 'second', opts);
    assert.notEqual(second.id, first.id);
    await events.ended([first, second]);
    assert.deepEqual(values(events)[1], 'second');
  },
};
