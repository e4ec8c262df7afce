// What an operator sees and does on a board (@bull-board) while our worker works.
import assert from 'node:assert/strict';
import { openBoard } from '../harness/board.mjs';
import { eventually } from '../harness/deadline.mjs';
import { ONCE, held, holds, ids, node, plant, returns, started } from '../harness/jobs.mjs';

export const direction = 'a board beside our worker';
export const notFor = { python: 'the board is one of npm and takes its queues only' };

/** A queue, its events, a worker, and a board. */
async function boarded(bench, options) {
  const { queue, events } = await bench.set(options);
  return { queue, events, ask: await openBoard(bench, queue) };
}

/** The board's page of a queue in one state, or of the latest jobs. */
async function page(ask, status = 'latest') {
  const { queues } = await ask('GET', `?activeQueue=rehearsals&status=${status}&page=1&jobsPerPage=10`);
  return queues[0];
}

/** Jobs that fail once. */
const flaky = (count) =>
  Array.from({ length: count }, () => ({ name: 'rehearse', data: { act: 'return', value: 'at last', failures: 1 }, opts: ONCE }));

export const features = {
  'counts of every state': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const ask = await openBoard(bench, queue);
    await queue.addBulk([returns(1), returns(2, { priority: 1 }), returns(3, { delay: 60_000 })]);
    await plant(bench, node({ act: 'return' }, {}, [node({ act: 'return' }, { delay: 60_000 })]));
    const { counts, isPaused } = await page(ask);
    const expected = { active: 1, waiting: 1, prioritized: 1, delayed: 2, 'waiting-children': 1, completed: 0, failed: 0 };
    assert.deepEqual({ ...counts, ...expected }, counts);
    assert.equal(isPaused, false);
    await events.ended([holder]);
    await eventually('the board has seen it', async () => (await page(ask)).counts.completed >= 1);
  },

  'a job that completed: data, value, progress, times, attempts': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const data = { act: 'steps', steps: 2, stepMs: 10, failures: 1 };
    const added = await queue.add('rehearse', data, { attempts: 2, priority: 3 });
    await events.ended([added]);
    const { job, status } = await ask('GET', `/rehearsals/${added.id}`);
    assert.equal(status, 'completed');
    assert.deepEqual(job.data, data);
    assert.deepEqual(job.returnValue, { steps: 2, resumedAt: 0 });
    assert.deepEqual(job.progress, { step: 2, of: 2 });
    assert.equal(job.attempts, 2);
    assert.equal(job.priority, 3);
    assert.ok(job.timestamp <= job.processedOn && job.processedOn <= job.finishedOn);
    assert.ok(bench.worker === 'node' || job.processedBy.length > 0);
    const [listed] = (await page(ask, 'completed')).jobs;
    assert.equal(listed.id, added.id);
  },

  'a job that failed: reason and stack of every attempt, newest first': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const added = await queue.add('rehearse', { act: 'fail', message: 'no luck', failures: 1 }, { attempts: 2 });
    await events.ended([added]);
    const { job, status } = await ask('GET', `/rehearsals/${added.id}`);
    assert.equal(status, 'failed');
    assert.equal(job.failedReason, 'no luck');
    assert.equal(job.isFailed, true);
    assert.equal(job.stacktrace.length, 2);
    assert.match(job.stacktrace[0], /no luck/);
    assert.match(job.stacktrace[1], /attempt 1 fails as asked/);
    assert.equal((await page(ask, 'failed')).jobs[0].id, added.id);
  },

  'a job that runs: progress as it goes': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const added = await queue.add('rehearse', { act: 'steps', steps: 2, stepMs: 1_200 }, ONCE);
    await events.until('progress', () => events.of('progress', added.id).length > 0);
    const { job, status } = await ask('GET', `/rehearsals/${added.id}`);
    assert.equal(status, 'active');
    assert.deepEqual(job.progress, { step: 1, of: 2 });
    assert.equal((await page(ask, 'active')).jobs[0].id, added.id);
    await events.ended([added]);
  },

  'log lines that a handler writes': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const lines = ['начало', 'page 1 of 2', 'the end 🎸'];
    const added = await queue.add('rehearse', { act: 'log', lines }, ONCE);
    await events.ended([added]);
    assert.deepEqual(await ask('GET', `/rehearsals/${added.id}/logs`), lines);
  },

  'retry of one failed job': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const added = await queue.addBulk(flaky(2));
    await events.ended(added);
    await ask('PUT', `/rehearsals/${added[0].id}/retry`);
    await events.until('it completes', () => events.of('completed', added[0].id).length > 0);
    const { job, status } = await ask('GET', `/rehearsals/${added[0].id}`);
    assert.equal(status, 'completed');
    assert.equal(job.returnValue, 'at last');
    assert.equal((await page(ask)).counts.failed, 1);
  },

  'retry of all failed jobs': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const added = await queue.addBulk(flaky(5));
    await events.ended(added);
    await ask('PUT', '/rehearsals/retry/failed');
    await events.until('all complete', () => events.of('completed').length === 5);
    assert.equal((await page(ask)).counts.failed, 0);
  },

  'promotion of one delayed job, and of all': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    const added = await queue.addBulk([1, 2, 3].map((value) => returns(value, { delay: 3_600_000 })));
    await ask('PUT', `/rehearsals/${added[0].id}/promote`);
    await events.ended([added[0]]);
    assert.equal((await page(ask)).counts.delayed, 2);
    await ask('PUT', '/rehearsals/promote');
    await events.ended(added);
  },

  'changed priority, delay and data of jobs that wait': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const ask = await openBoard(bench, queue);
    const [nine, five, late] = await queue.addBulk([
      returns('nine', { priority: 9 }), returns('five', { priority: 5 }), returns('late', { delay: 3_600_000 }),
    ]);
    await ask('PATCH', `/rehearsals/${nine.id}/priority`, { priority: 1 });
    await ask('PATCH', `/rehearsals/${five.id}/update-data`, { jobData: { act: 'return', value: 'FIVE' } });
    await ask('PATCH', `/rehearsals/${late.id}/delay`, { runAt: Date.now() + 2_000 });
    await events.ended([holder, nine, five, late]);
    assert.deepEqual(started(events), ids([holder, nine, five, late]));
    assert.equal((await ask('GET', `/rehearsals/${five.id}`)).job.returnValue, 'FIVE');
  },

  'cleaning: one job, all that waits, all that completed': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const ask = await openBoard(bench, queue);
    const [one] = await queue.addBulk([returns(1), returns(2), returns(3, { delay: 60_000 })]);
    await ask('PUT', `/rehearsals/${one.id}/clean`);
    assert.equal((await page(ask)).counts.waiting, 1);
    await ask('PUT', '/rehearsals/empty');
    const { counts } = await page(ask);
    assert.deepEqual([counts.waiting, counts.active, counts.delayed], [0, 1, 1]);
    await events.ended([holder]);
    assert.deepEqual(started(events), [holder.id]);
    // The board spares what has ended within the last five seconds.
    const spared = Date.now() + 5_000;
    await eventually('five seconds have passed', () => Date.now() > spared);
    await ask('PUT', '/rehearsals/clean/completed');
    assert.equal((await page(ask)).counts.completed, 0);
    assert.equal(await queue.getJob(holder.id), undefined);
  },

  'pause and resume': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    await ask('PUT', '/rehearsals/pause');
    const added = await queue.add('rehearse', { act: 'return' }, ONCE);
    assert.equal((await page(ask)).isPaused, true);
    await ask('PUT', '/rehearsals/resume');
    await events.ended([added]);
    assert.equal((await page(ask)).isPaused, false);
  },

  'limits of the queue': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    await ask('PUT', '/rehearsals/concurrency', { concurrency: 1 });
    const added = await queue.addBulk([1, 2, 3].map(() => holds(50)));
    await events.ended(added);
    const heard = events.seen.map((event) => event.event).filter((name) => /^(active|completed)$/.test(name));
    assert.deepEqual(heard, [1, 2, 3].flatMap(() => ['active', 'completed']));
    assert.equal((await page(ask)).globalConcurrency, 1);
  },

  'a flow with its states and reasons': async (bench) => {
    const { events, ask } = await boarded(bench);
    const [parent, good, bad] = await plant(
      bench,
      node({ act: 'return' }, {}, [
        node({ act: 'return', value: 1 }),
        node({ act: 'discard', message: 'no luck' }, { ignoreDependencyOnFailure: true }),
      ]),
    );
    await events.ended([parent, good, bad]);
    const { flowRoot } = await ask('GET', `/rehearsals/${good.id}/flow`);
    assert.equal(flowRoot.id, parent.id);
    assert.equal(flowRoot.state, 'completed');
    assert.deepEqual(flowRoot.dependencies, { processed: 1, unprocessed: 0, ignored: 1, failed: 0 });
    assert.deepEqual(Object.values(flowRoot.ignoredChildFailureReasons), ['no luck']);
    assert.deepEqual(flowRoot.children.map((child) => child.state).sort(), ['completed', 'failed']);
  },

  'who works on the queue': async (bench) => {
    const { ask } = await boarded(bench);
    await eventually('the worker is listed', async () => {
      const { workers } = await ask('GET', '/rehearsals/workers');
      return workers?.length > 0;
    });
    assert.equal((await page(ask)).hasWorkers, true);
  },

  'a schedule: its next and its last run': async (bench) => {
    const { queue, events, ask } = await boarded(bench);
    await queue.upsertJobScheduler('ticks', { every: 600 }, returns('tick'));
    await events.until('two runs', () => events.of('completed').length >= 2);
    const { jobSchedulerCount } = await page(ask);
    assert.equal(jobSchedulerCount, 1);
    const before = events.of('completed').length;
    await ask('PUT', '/rehearsals/job-schedulers/ticks/run');
    await events.until('one more', () => events.of('completed').length > before);
    await ask('PUT', '/rehearsals/job-schedulers/ticks/remove');
    assert.equal(await queue.getJobSchedulersCount(), 0);
  },

  'a job that the board adds': async (bench) => {
    const { events, ask } = await boarded(bench);
    const { job } = await ask('POST', '/rehearsals/add', {
      name: 'rehearse', data: { act: 'return', value: 'by hand' }, options: { attempts: 1, delay: 100 },
    });
    await events.ended([job]);
    assert.equal((await ask('GET', `/rehearsals/${job.id}`)).job.returnValue, 'by hand');
  },
};
