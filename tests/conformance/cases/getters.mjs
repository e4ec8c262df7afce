// What a client asks about a queue, while our worker works on it.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { ONCE, held, holds, ids, node, plant, returns } from '../harness/jobs.mjs';

/** One job in every state. */
async function zoo(bench) {
  const { queue, events } = await bench.set({ slots: 1 });
  const [done, dead] = await queue.addBulk([returns('done'), { name: 'rehearse', data: { act: 'discard' }, opts: ONCE }]);
  await events.ended([done, dead]);
  const { name, data, opts } = holds(4_000);
  const running = await queue.add(name, data, opts);
  await events.until('it runs', () => events.of('active', running.id).length > 0);
  const [waiting, prioritized, delayed] = await queue.addBulk([
    returns('waiting'), returns('prioritized', { priority: 2 }), returns('delayed', { delay: 3_600_000 }),
  ]);
  const [parent, child] = await plant(
    bench,
    node({ act: 'return' }, {}, [node({ act: 'return' }, { delay: 3_600_000 })]),
  );
  const jobs = { completed: done, failed: dead, active: running, waiting, prioritized, delayed, 'waiting-children': parent };
  return { queue, events, jobs, child };
}

export const features = {
  'counts: every state has its number': async (bench) => {
    const { queue } = await zoo(bench);
    const counts = await queue.getJobCounts();
    const expected = { completed: 1, failed: 1, active: 1, waiting: 1, prioritized: 1, delayed: 2, 'waiting-children': 1 };
    assert.deepEqual({ ...counts, ...expected }, counts);
    assert.equal(await queue.getJobCountByTypes('waiting', 'delayed', 'prioritized'), 4);
  },

  'counts: every state has a call': async (bench) => {
    const { queue } = await zoo(bench);
    assert.equal(await queue.count(), 5);
    const calls = ['Completed', 'Failed', 'Active', 'Waiting', 'Prioritized', 'Delayed', 'WaitingChildren'];
    const counts = await Promise.all(calls.map((state) => queue[`get${state}Count`]()));
    assert.deepEqual(counts, [1, 1, 1, 1, 1, 2, 1]);
  },

  'states: every job says its own': async (bench) => {
    const { queue, jobs } = await zoo(bench);
    for (const [state, job] of Object.entries(jobs)) {
      assert.equal(await job.getState(), state);
      assert.equal(await queue.getJobState(job.id), state);
    }
    assert.equal(await queue.getJobState('nobody'), 'unknown');
    assert.deepEqual(
      await Promise.all([jobs.completed.isCompleted(), jobs.failed.isFailed(), jobs.active.isActive(), jobs.waiting.isWaiting(),
        jobs.delayed.isDelayed(), jobs['waiting-children'].isWaitingChildren(), jobs.active.isWaiting()]),
      [true, true, true, true, true, true, false],
    );
  },

  'lists: every state has its jobs, with all that they are': async (bench) => {
    const { queue, jobs, child } = await zoo(bench);
    const lists = {
      completed: queue.getCompleted(), failed: queue.getFailed(), active: queue.getActive(), waiting: queue.getWaiting(),
      prioritized: queue.getPrioritized(), 'waiting-children': queue.getWaitingChildren(),
    };
    for (const [state, list] of Object.entries(lists)) assert.deepEqual(ids(await list), [jobs[state].id], state);
    assert.deepEqual(ids(await queue.getDelayed()).sort(), ids([jobs.delayed, child]).sort());
    const [running] = await queue.getActive();
    assert.equal(running.attemptsStarted, 1);
    assert.ok(running.processedOn > 0);
    const [done] = await queue.getJobs(['completed']);
    assert.equal(done.returnvalue, 'done');
  },

  'lists: pages in both directions': async (bench) => {
    const { queue, events } = await bench.set({ slots: 1 });
    const added = await queue.addBulk(Array.from({ length: 9 }, (_, i) => returns(i, { jobId: `job-${i}` })));
    await events.ended(added);
    const page = async (...range) => (await queue.getJobs(['completed'], ...range)).map((job) => job.returnvalue);
    assert.deepEqual(await page(0, 2, true), [0, 1, 2]);
    assert.deepEqual(await page(3, 5, true), [3, 4, 5]);
    assert.deepEqual(await page(0, 2), [8, 7, 6]);
  },

  'counts per priority': async (bench) => {
    const { queue } = await held(bench);
    await queue.addBulk([0, 1, 1, 5, 5, 5].map((priority) => returns(1, { priority })));
    const counts = await queue.getCountsPerPriority([0, 1, 5, 9]);
    assert.deepEqual({ ...counts }, { 0: 1, 1: 2, 5: 3, 9: 0 });
  },

  'the states that a job goes through': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 2, backoff: 3_000, delay: 2_000 };
    const job = await queue.add('rehearse', { act: 'steps', steps: 2, stepMs: 700, failures: 1 }, opts);
    assert.equal(await job.getState(), 'delayed');
    await events.until('it failed once', () => events.of('delayed', job.id).length === 2);
    assert.equal(await job.getState(), 'delayed');
    const resting = await queue.getJob(job.id);
    assert.equal(resting.attemptsMade, 1);
    assert.equal(resting.failedReason, 'attempt 1 fails as asked');
    assert.ok(resting.delay > 2_900 && resting.delay <= 3_001, `rests ${resting.delay} ms`);
    await events.until('it runs again', () => events.of('active', job.id).length === 2);
    assert.equal(await job.getState(), 'active');
    assert.equal((await queue.getJob(job.id)).attemptsStarted, 2);
    await events.ended([job]);
    assert.equal(await job.getState(), 'completed');
    const prev = events.seen.filter((event) => event.jobId === job.id && event.prev).map((event) => event.prev);
    assert.deepEqual(prev, ['delayed', 'waiting', 'delayed', 'waiting', 'active']);
  },

  'counts for Prometheus': async (bench) => {
    const { queue } = await zoo(bench);
    const text = await queue.exportPrometheusMetrics();
    for (const [state, count] of [['completed', 1], ['failed', 1], ['active', 1], ['delayed', 2]]) {
      assert.ok(text.includes(`bullmq_job_count{queue="rehearsals", state="${state}"} ${count}`), text);
    }
  },
};
