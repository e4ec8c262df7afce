// Jobs that have ended, and are wanted again.
import assert from 'node:assert/strict';
import { ONCE, ids } from '../harness/jobs.mjs';

const FLAKY = { act: 'return', value: 'at last', failures: 1 };

/** Jobs that have failed once, for good. */
async function failed(bench, count, opts = ONCE) {
  const { queue, events } = await bench.set();
  const wishes = Array.from({ length: count }, () => ({ name: 'rehearse', data: FLAKY, opts }));
  const added = await queue.addBulk(wishes);
  await events.ended(added);
  assert.equal(await queue.getFailedCount(), count);
  return { queue, events, added };
}

export const features = {
  'retry: a failed job runs again, with what it was': async (bench) => {
    const { queue, events, added } = await failed(bench, 1, { ...ONCE, priority: 3 });
    const job = await queue.getJob(added[0].id);
    assert.equal(await job.getState(), 'failed');
    await job.retry();
    await events.until('the job completes', () => events.of('completed', job.id).length > 0);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue, 'at last');
    assert.equal(ended.attemptsMade, 2);
    assert.equal(ended.attemptsStarted, 2);
    assert.equal(ended.failedReason, undefined);
    assert.equal(ended.priority, 3);
    assert.equal(events.of('active', job.id).length, 2);
    assert.deepEqual(events.of('waiting', job.id).map((event) => event.prev).slice(1), ['failed']);
  },

  'retry: of a job that completed': async (bench) => {
    const { queue, events } = await bench.set();
    const added = await queue.add('rehearse', { act: 'return', value: 1 }, ONCE);
    await events.ended([added]);
    const job = await queue.getJob(added.id);
    await job.updateData({ act: 'return', value: 2 });
    await job.retry('completed');
    await events.until('it completes again', () => events.of('completed', job.id).length === 2);
    assert.equal((await queue.getJob(job.id)).returnvalue, 2);
  },

  'retry: with its attempts made as if none': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 2 };
    const added = await queue.add('rehearse', { act: 'fail', message: 'no luck' }, opts);
    await events.ended([added]);
    const job = await queue.getJob(added.id);
    await job.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
    await events.until('it fails again', () => events.of('failed', job.id).length === 2);
    assert.equal(events.of('active', job.id).length, 4);
    const again = await queue.getJob(job.id);
    assert.equal(again.attemptsMade, 2);
    assert.equal(again.attemptsStarted, 2);
    await again.retry();
    await events.until('it fails a third time', () => events.of('failed', job.id).length === 3);
    assert.equal(events.of('active', job.id).length, 5, 'no attempt was left but the one asked for');
  },

  'retry: a job that waits or runs is refused': async (bench) => {
    const { queue, events } = await bench.set();
    const running = await queue.add('rehearse', { act: 'steps', steps: 1, stepMs: 1_000 }, ONCE);
    await events.until('it runs', () => events.of('active', running.id).length > 0);
    await assert.rejects(running.retry());
    const waiting = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 3_600_000 });
    await assert.rejects(waiting.retry());
    await events.ended([running]);
  },

  'retryJobs: all failed jobs': async (bench) => {
    const { queue, events } = await failed(bench, 20);
    await queue.retryJobs();
    await events.until('all complete', () => events.of('completed').length === 20);
    assert.equal(await queue.getFailedCount(), 0);
  },

  'retryJobs: 300 of them, in pieces': async (bench) => {
    const { queue, events } = await failed(bench, 300);
    await queue.retryJobs({ count: 100, state: 'failed' });
    await events.until('all complete', () => events.of('completed').length === 300);
    const counts = await queue.getJobCounts();
    assert.deepEqual([counts.failed, counts.completed, counts.waiting, counts.active], [0, 300, 0, 0]);
  },

  'retryJobs: only those that failed before a time': async (bench) => {
    const { queue, events, added } = await failed(bench, 3);
    const times = await Promise.all(added.map(async ({ id }) => (await queue.getJob(id)).finishedOn));
    const later = await queue.add('rehearse', { act: 'discard' }, { ...ONCE, delay: 50 });
    await events.ended([later]);
    await queue.retryJobs({ timestamp: Math.max(...times) + 1 });
    await events.until('three complete', () => events.of('completed').length === 3);
    assert.deepEqual(ids(await queue.getFailed()), [later.id]);
  },

  'retryJobs: all completed jobs': async (bench) => {
    const { queue, events } = await bench.set();
    const wishes = Array.from({ length: 5 }, () => ({ name: 'rehearse', data: { act: 'return' }, opts: ONCE }));
    await events.ended(await queue.addBulk(wishes));
    await queue.retryJobs({ state: 'completed' });
    await events.until('all complete again', () => events.of('completed').length === 10);
  },
};
