// What a producer does to its jobs and its queue, beside adding.
import assert from 'node:assert/strict';
import { ONCE, held, ids, returns, started } from '../harness/jobs.mjs';

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
    assert.deepEqual(started(events), ['scan-7', last.id]);
    assert.equal((await queue.getJob('scan-7')).returnvalue, 1);
  },

  'lifo: the last one first': async (bench) => {
    const queue = await bench.queue();
    const added = [];
    for (let i = 0; i < 4; i += 1) added.push(await queue.add('rehearse', { act: 'return' }, { ...ONCE, lifo: true }));
    const events = await bench.events();
    await bench.work({ slots: 1 });
    await events.ended(added);
    assert.deepEqual(started(events), added.map((job) => job.id).reverse());
  },

  'addBulk keeps the order': async (bench) => {
    const queue = await bench.queue();
    const added = await queue.addBulk(Array.from({ length: 50 }, (_, i) => returns(i)));
    const events = await bench.events();
    await bench.work({ slots: 1 });
    await events.ended(added);
    assert.deepEqual(started(events), added.map((job) => job.id));
    const values = await Promise.all(added.map(async ({ id }) => (await queue.getJob(id)).returnvalue));
    assert.deepEqual(values, added.map((_, i) => i));
  },

  'lifo: among prioritized jobs and those that came before': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const added = await queue.addBulk([
      returns('first'),
      returns('urgent', { priority: 1 }),
      returns('last', { lifo: true }),
      returns('very last', { lifo: true }),
    ]);
    await events.ended([holder, ...added]);
    const [first, urgent, last, veryLast] = added;
    assert.deepEqual(started(events), ids([holder, veryLast, last, first, urgent]));
  },

  'changePriority moves a job that waits: forward, back, and out of the priorities': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const [nine, five, seven, plain] = await queue.addBulk([
      returns('nine', { priority: 9 }),
      returns('five', { priority: 5 }),
      returns('seven', { priority: 7 }),
      returns('plain'),
    ]);
    await nine.changePriority({ priority: 1 });
    await plain.changePriority({ priority: 6 });
    await seven.changePriority({ priority: 0 });
    assert.equal(await seven.getState(), 'waiting');
    await events.ended([holder, nine, five, seven, plain]);
    assert.deepEqual(started(events), ids([holder, seven, nine, five, plain]));
    assert.equal((await queue.getJob(plain.id)).priority, 6);
  },

  'changePriority with lifo: before the others of its priority': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const added = await queue.addBulk([1, 2, 3].map((value) => returns(value, { priority: 4 })));
    const [one, two, three] = added;
    await three.changePriority({ priority: 4, lifo: true });
    await events.ended([holder, ...added]);
    assert.deepEqual(started(events), ids([holder, three, one, two]));
  },

  'changePriority of a delayed job counts when it is due': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const late = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 100, priority: 9 });
    const other = await queue.add('rehearse', { act: 'return' }, { ...ONCE, priority: 5 });
    await late.changePriority({ priority: 1 });
    await events.ended([holder, late, other]);
    assert.deepEqual(started(events), ids([holder, late, other]));
  },

  'promote: a delayed job runs now': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 3_600_000 });
    await job.promote();
    await events.ended([job]);
    const heard = events.seen.filter((event) => event.jobId === job.id);
    assert.deepEqual(heard.map((event) => event.event), ['added', 'delayed', 'waiting', 'active', 'completed']);
    assert.equal(heard[2].prev, 'delayed');
    assert.equal((await queue.getJob(job.id)).delay, 0);
  },

  'promote: by its priority among those that wait': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const [nine, late, plain] = await queue.addBulk([
      returns('nine', { priority: 9 }),
      returns('late', { delay: 3_600_000, priority: 7 }),
      returns('plain late', { delay: 3_600_000 }),
    ]);
    await late.promote();
    await plain.promote();
    await events.ended([holder, nine, late, plain]);
    assert.deepEqual(started(events), ids([holder, plain, late, nine]));
  },

  'promoteJobs: all delayed jobs run now': async (bench) => {
    const { queue, events } = await bench.set();
    const wishes = Array.from({ length: 30 }, (_, i) => returns(i, { delay: 3_600_000 + i }));
    const added = await queue.addBulk(wishes);
    await queue.promoteJobs({ count: 10 });
    await events.ended(added);
    assert.equal(await queue.getDelayedCount(), 0);
  },

  'changeDelay: forward, and back again': async (bench) => {
    const { queue, events } = await bench.set();
    const soon = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 3_600_000 });
    const late = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 100 });
    const changed = Date.now();
    await late.changeDelay(700);
    await soon.changeDelay(50);
    await events.ended([soon, late]);
    assert.deepEqual(started(events), ids([soon, late]));
    const { processedOn } = await queue.getJob(late.id);
    assert.ok(processedOn >= changed + 699, `after ${processedOn - changed} ms`);
  },

  'a retry that a client makes wait longer or shorter': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 2, backoff: 3_600_000 };
    const job = await queue.add('rehearse', { act: 'return', value: 'done', failures: 1 }, opts);
    await events.until('it rests', () => events.of('delayed', job.id).length > 0);
    await (await queue.getJob(job.id)).promote();
    await events.ended([job]);
    assert.equal((await queue.getJob(job.id)).returnvalue, 'done');
  },

  'data that a client changes while the job waits is what runs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const job = await queue.add('rehearse', { act: 'return', value: 'old' }, ONCE);
    await job.updateData({ act: 'return', value: 'new' });
    await events.ended([holder, job]);
    assert.equal((await queue.getJob(job.id)).returnvalue, 'new');
  },

  'a job that is removed while it waits never runs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const [gone, kept] = await queue.addBulk([returns('gone'), returns('kept')]);
    await gone.remove();
    await events.ended([holder, kept]);
    assert.deepEqual(started(events), [holder.id, kept.id]);
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
};
