// What a client clears away while the worker works.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { held, holds, ids, node, ONCE, plant, returns, started, toDo } from '../harness/jobs.mjs';

/** All keys of the queue that begin with these words. */
async function keys(bench, redis, start = '') {
  return (await redis.keys(`${bench.prefix}:rehearsals:${start}*`)).sort();
}

/** The queue still works: a job comes and goes. */
async function works(bench, queue) {
  const job = await queue.add('rehearse', { act: 'return', value: 'again' }, ONCE);
  const events = await bench.events();
  await events.ended([job]);
  assert.equal((await queue.getJob(job.id)).returnvalue, 'again');
}

const some = (count, opts) => Array.from({ length: count }, (_, i) => returns(i, opts));

export const features = {
  'drain takes what waits, and leaves what runs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await queue.addBulk([returns(1), returns(2, { priority: 1 })]);
    const late = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 1_200 });
    await queue.drain();
    await events.ended([holder, late]);
    assert.deepEqual(started(events), ids([holder, late]));
  },

  'drain with the delayed jobs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await queue.addBulk([returns(1), returns(2, { priority: 1 }), returns(3, { delay: 60_000 })]);
    await queue.drain(true);
    await events.ended([holder]);
    assert.deepEqual(started(events), [holder.id]);
    assert.equal(await toDo(queue), 0);
    await works(bench, queue);
  },

  'drain takes flows that wait along': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await plant(bench, node({ act: 'return' }, {}, [node({ act: 'return' }), node({ act: 'return' })]));
    await queue.drain(true);
    await events.ended([holder]);
    const counts = await queue.getJobCounts();
    assert.deepEqual([counts.waiting, counts['waiting-children'], counts.completed], [0, 0, 1]);
    await works(bench, queue);
  },

  'obliterate is refused while a job runs, and done after': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await queue.addBulk([...some(3), ...some(3, { delay: 60_000 }), ...some(3, { priority: 2 })]);
    await assert.rejects(queue.obliterate(), /active/);
    await events.ended([holder]);
    await eventually('nothing runs', async () => (await queue.getJobCounts('active')).active === 0);
    await queue.obliterate();
    assert.equal(await toDo(queue), 0);
    assert.equal(await queue.getJob(holder.id), undefined);
    await queue.resume();
    await works(bench, queue);
  },

  'obliterate by force while jobs run: nothing of them comes back': async (bench) => {
    const { queue, events } = await bench.set({ slots: 2 });
    const redis = bench.raw();
    const bad = { name: 'rehearse', data: { act: 'hang' }, opts: { attempts: 3, backoff: 10 } };
    const steps = { name: 'rehearse', data: { act: 'steps', steps: 4, stepMs: 300 }, opts: ONCE };
    const running = await queue.addBulk([steps, bench.worker === 'node' ? bad : steps]);
    await events.until('both run', () => events.of('active').length === 2);
    await queue.addBulk(some(5));
    await queue.obliterate({ force: true });
    await queue.resume();
    const after = await queue.add('rehearse', { act: 'return', value: 'after' }, { ...ONCE, jobId: 'after' });
    await eventually('the next one is done', async () => (await after.getState()) === 'completed');
    // Long enough for the obliterated jobs to have ended.
    const last = await queue.add('rehearse', { act: 'return' }, { ...ONCE, jobId: 'last', delay: 2_000 });
    await eventually('the last one is done', async () => (await last.getState()) === 'completed');
    for (const { id } of running) assert.deepEqual(await keys(bench, redis, `${id}`), []);
    const counts = await queue.getJobCounts();
    const { completed, active, waiting, delayed, failed } = counts;
    assert.deepEqual({ completed, active, waiting, delayed, failed }, { completed: 2, active: 0, waiting: 0, delayed: 0, failed: 0 });
  },

  'clean: jobs that have ended, by age and number': async (bench) => {
    const { queue, events } = await bench.set();
    const bad = { name: 'rehearse', data: { act: 'discard' }, opts: ONCE };
    const added = await queue.addBulk([...some(7), bad, bad, bad]);
    await events.ended(added);
    assert.deepEqual(await queue.clean(60_000, 100, 'completed'), [], 'none is so old');
    await eventually('they are a little older', () => events.seen.at(-1).at < Date.now() - 20);
    assert.equal((await queue.clean(1, 4, 'completed')).length, 4);
    assert.equal(await queue.getCompletedCount(), 3);
    assert.deepEqual((await queue.clean(0, 0, 'failed')).sort(), ids(added.slice(7)).sort());
    assert.equal(await queue.getFailedCount(), 0);
    await works(bench, queue);
  },

  'clean: jobs that wait, while another one runs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    await queue.addBulk([...some(4), ...some(4, { priority: 3 }), ...some(4, { delay: 60_000 })]);
    await eventually('they are a little older', () => events.seen.at(-1).at < Date.now() - 20);
    for (const state of ['wait', 'prioritized', 'delayed']) {
      assert.equal((await queue.clean(0, 100, state)).length, 4, state);
    }
    assert.equal(events.of('cleaned').length > 0 || (await toDo(queue)) === 0, true);
    await events.ended([holder]);
    assert.deepEqual(started(events), [holder.id]);
  },

  'clean: never a job that runs': async (bench) => {
    const { queue, events, holder } = await held(bench);
    assert.deepEqual(await queue.clean(0, 100, 'active'), []);
    await events.ended([holder]);
    assert.equal(await holder.getState(), 'completed');
  },

  'remove: jobs in every state but running': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const [waiting, prioritized, delayed] = await queue.addBulk([
      returns(1), returns(2, { priority: 2 }), returns(3, { delay: 60_000 }),
    ]);
    const [parent, child] = await plant(bench, node({ act: 'return' }, {}, [node({ act: 'return' })]));
    for (const job of [waiting, prioritized, delayed, parent]) await queue.remove(job.id);
    assert.equal(await queue.getJob(child.id), undefined, 'a parent takes its children along');
    await events.ended([holder]);
    await holder.remove();
    const redis = bench.raw();
    for (const job of [waiting, prioritized, delayed, parent, child, holder]) {
      assert.deepEqual(await keys(bench, redis, `${job.id}`), []);
    }
    assert.deepEqual(started(events), [holder.id]);
  },

  'a job that ended leaves no lock and no marker behind': async (bench) => {
    const { queue, events } = await bench.set();
    const redis = bench.raw();
    const bad = { name: 'rehearse', data: { act: 'fail' }, opts: { attempts: 2, backoff: 10 } };
    const added = await queue.addBulk([...some(3), bad, holds(20, { removeOnComplete: true })]);
    await events.ended(added);
    await eventually('nothing is active', async () => (await redis.exists(`${bench.prefix}:rehearsals:active`)) === 0);
    const locks = (await keys(bench, redis)).filter((key) => key.endsWith(':lock'));
    assert.deepEqual(locks, []);
    assert.deepEqual(await keys(bench, redis, `${added[4].id}`), []);
    assert.equal(await redis.scard(`${bench.prefix}:rehearsals:stalled`), 0);
  },
};
