// What a producer does to its jobs and its queue, beside adding.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';

const ONCE = { attempts: 1 };
const wish = (value, opts = {}) => ({ name: 'rehearse', data: { act: 'return', value }, opts: { ...ONCE, ...opts } });

/** The order in which jobs were started. */
const order = (events) => events.of('active').map((event) => event.jobId);

/** A queue with one slot whose first job holds that slot until the controls have done their work. */
async function held(bench) {
  const { queue, events } = await bench.set({ slots: 1 });
  const data = { act: 'steps', steps: 1, stepMs: 400 };
  const holder = await queue.add('rehearse', data, ONCE);
  await events.until('the slot is taken', () => events.of('active', holder.id).length > 0);
  return { queue, events, holder };
}

export const features = {
  'a job id that is added twice runs once': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { ...ONCE, jobId: 'scan-7' };
    const added = await Promise.all([1, 2, 3].map((value) => queue.add('rehearse', { act: 'return', value }, opts)));
    assert.deepEqual(added.map((job) => job.id), ['scan-7', 'scan-7', 'scan-7']);
    await events.ended(added);
    await queue.add('rehearse', { act: 'return', value: 4 }, opts);
    const last = await queue.add('rehearse', { act: 'return' }, ONCE);
    await events.ended([last]);
    assert.deepEqual(order(events), ['scan-7', last.id]);
    assert.equal((await queue.getJob('scan-7')).returnvalue, 1);
  },

  'deduplication by id holds until the job has ended': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { ...ONCE, deduplication: { id: 'user-7' } };
    const data = { act: 'steps', steps: 1, stepMs: 200 };
    const first = await queue.add('rehearse', data, opts);
    assert.equal((await queue.add('rehearse', data, opts)).id, first.id);
    await events.ended([first]);
    const second = await queue.add('rehearse', { act: 'fail' }, opts);
    assert.notEqual(second.id, first.id);
    await events.ended([second]);
    const third = await queue.add('rehearse', { act: 'return' }, opts);
    assert.notEqual(third.id, second.id, 'a failed job frees its id too');
    await events.ended([third]);
    assert.deepEqual(order(events), [first.id, second.id, third.id]);
  },

  'lifo: the last one first': async (bench) => {
    const queue = await bench.queue();
    const added = [];
    for (let i = 0; i < 4; i += 1) added.push(await queue.add('rehearse', { act: 'return' }, { ...ONCE, lifo: true }));
    const events = await bench.events();
    await bench.work({ slots: 1 });
    await events.ended(added);
    assert.deepEqual(order(events), added.map((job) => job.id).reverse());
  },

  'addBulk keeps the order': async (bench) => {
    const queue = await bench.queue();
    const added = await queue.addBulk(Array.from({ length: 50 }, (_, i) => wish(i)));
    const events = await bench.events();
    await bench.work({ slots: 1 });
    await events.ended(added);
    assert.deepEqual(order(events), added.map((job) => job.id));
    const values = await Promise.all(added.map(async ({ id }) => (await queue.getJob(id)).returnvalue));
    assert.deepEqual(values, added.map((_, i) => i));
  },

  'log lines of the producer stay on the job': async (bench) => {
    const queue = await bench.queue();
    const job = await queue.add('rehearse', { act: 'return', failures: 1 }, { attempts: 2 });
    await job.log('asked for by user 7');
    const events = await bench.events();
    await bench.work();
    await events.ended([job]);
    const { logs, count } = await queue.getJobLogs(job.id);
    assert.equal(logs[0], 'asked for by user 7');
    assert.equal(count, logs.length);
  },

  'progress is on the job while it runs and after': async (bench) => {
    const { queue, events } = await bench.set();
    const data = { act: 'steps', steps: 3, stepMs: 300 };
    const job = await queue.add('rehearse', data, ONCE);
    await events.until('progress', () => events.of('progress', job.id).length > 0);
    const running = await queue.getJob(job.id);
    assert.equal(running.progress.of, 3);
    await events.ended([job]);
    assert.deepEqual((await queue.getJob(job.id)).progress, { step: 3, of: 3 });
  },

  'changePriority and promote move jobs that wait': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const [last, plain, late] = await queue.addBulk([
      wish('last', { priority: 9 }),
      wish('plain', { priority: 5 }),
      wish('late', { delay: 3_600_000, priority: 7 }),
    ]);
    await last.changePriority({ priority: 1 });
    await late.promote();
    await events.ended([holder, last, plain, late]);
    assert.deepEqual(order(events), [holder, last, plain, late].map((job) => job.id));
  },

  'changeDelay brings a delayed job forward': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 3_600_000 });
    await job.changeDelay(50);
    await events.ended([job]);
    assert.equal(await job.getState(), 'completed');
  },

  'retry of a failed job runs it again': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'return', value: 'at last', failures: 1 }, ONCE);
    await events.ended([job]);
    const failed = await queue.getJob(job.id);
    assert.equal(await failed.getState(), 'failed');
    await failed.retry();
    await events.until('the job completes', () => events.of('completed', job.id).length > 0);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue, 'at last');
    assert.equal(ended.attemptsMade, 2);
    assert.equal(events.of('active', job.id).length, 2);
  },

  'retryJobs brings back all failed jobs': async (bench) => {
    const { queue, events } = await bench.set();
    const data = { act: 'return', failures: 1 };
    const added = await queue.addBulk(Array.from({ length: 20 }, () => ({ name: 'rehearse', data, opts: ONCE })));
    await events.ended(added);
    assert.equal(await queue.getFailedCount(), 20);
    await queue.retryJobs();
    await events.until('all complete', () => events.of('completed').length === 20);
    assert.equal(await queue.getFailedCount(), 0);
  },

  'nothing starts while the queue is paused': async (bench) => {
    const { queue, events } = await bench.set();
    const before = await queue.add('rehearse', { act: 'return' }, ONCE);
    await events.ended([before]);
    await queue.pause();
    const added = await queue.addBulk([wish(1), wish(2, { priority: 3 })]);
    // Another queue of the same process shows that it looks for work meanwhile.
    const other = await bench.queue('photo-processing');
    const others = await bench.events('photo-processing');
    const work = () => other.add('rehearse', { act: 'return' }, ONCE);
    if (bench.worker === 'node') await bench.work({ queue: 'photo-processing' });
    for (let i = 0; i < 5; i += 1) await others.ended([await work()]);
    assert.equal(await queue.isPaused(), true);
    assert.deepEqual(order(events), [before.id]);
    await queue.resume();
    await events.ended(added);
    assert.equal(order(events).length, 3);
  },

  'what is retried while the queue is paused runs after the pause': async (bench) => {
    const { queue, events } = await bench.set({ slots: 1, settings: { 'kinds.rehearse.timeout': '300ms' } });
    const job = await queue.add('rehearse', { act: 'hang' }, { attempts: 2 });
    await events.until('it runs', () => events.of('active', job.id).length > 0);
    const waiting = await queue.add('rehearse', { act: 'return' }, ONCE);
    await queue.pause();
    await events.until('it is retried', () => events.of('waiting', job.id).length > 1);
    await queue.resume();
    await events.ended([job, waiting]);
    assert.equal((await queue.getJob(job.id)).attemptsMade, 2);
  },

  'what becomes due while the queue is paused runs after the pause': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.pause();
    const added = await queue.addBulk([wish('waiting'), wish('due', { delay: 50 })]);
    await events.until('it is due', () => events.of('waiting', added[1].id).length > 0);
    // BullMQ 5 renames `wait` to `paused`, and back over whatever is in `wait` by then.
    const redis = bench.raw();
    const key = (part) => `${bench.prefix}:rehearsals:${part}`;
    await eventually('it is where the client keeps the others', async () =>
      (await redis.exists(key('paused'))) === 0 || (await redis.exists(key('wait'))) === 0);
    await queue.resume();
    await events.ended(added);
    assert.equal(order(events).length, 2);
  },

  'a job that is removed while it waits never runs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const [gone, kept] = await queue.addBulk([wish('gone'), wish('kept')]);
    await gone.remove();
    await events.ended([holder, kept]);
    assert.deepEqual(order(events), [holder.id, kept.id]);
    assert.equal(await queue.getJob(gone.id), undefined);
  },

  'a job that is running cannot be removed': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await assert.rejects(holder.remove(), /locked|could not be removed/);
    await events.ended([holder]);
    assert.equal((await queue.getJob(holder.id)).attemptsMade, 1);
    await holder.remove();
    assert.equal(await queue.getJob(holder.id), undefined);
  },

  'drain and obliterate leave nothing to do': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await queue.addBulk([wish(1), wish(2, { priority: 1 }), wish(3, { delay: 60_000 })]);
    await queue.drain(true);
    await events.ended([holder]);
    assert.deepEqual(order(events), [holder.id]);
    await queue.obliterate();
    const after = await queue.add('rehearse', { act: 'return', value: 'again' }, ONCE);
    // Obliterating took the events along: ask the job itself.
    const recorder = await bench.events();
    await recorder.ended([after]);
    assert.equal((await queue.getJob(after.id)).returnvalue, 'again');
  },
};
