// removeOnComplete and removeOnFail: who trims the finished jobs is the worker.
import assert from 'node:assert/strict';

/** The same rules hold for both ends; `act` leads there. */
const ENDS = [
  { option: 'removeOnComplete', act: 'return', state: 'completed' },
  { option: 'removeOnFail', act: 'fail', state: 'failed' },
];

/**
 * Runs jobs one after the other and answers which of them are kept, newest first. Fewer than ten:
 * BullMQ puts jobs that end in the same millisecond in the order of their ids as text.
 */
async function kept(bench, { option, act, state }, keep, jobs) {
  const { queue, events } = await bench.set({ slots: 1 });
  const opts = { attempts: 1, ...(keep === undefined ? {} : { [option]: keep }) };
  const wishes = Array.from({ length: jobs }, () => ({ name: 'rehearse', data: { act }, opts }));
  const added = await queue.addBulk(wishes);
  await events.ended(added);
  const left = (await queue.getJobs([state])).map((job) => added.findIndex(({ id }) => id === job.id));
  for (const [i, { id }] of added.entries()) {
    const found = (await queue.getJob(id)) !== undefined;
    assert.equal(found, left.includes(i), `job ${i} is found, or listed, but not both`);
  }
  return left.sort((a, b) => b - a);
}

function both(title, body) {
  return ENDS.map((end) => [`${end.option} ${title}`, (bench) => body(bench, end)]);
}

export const features = Object.fromEntries([
  ...both('default keeps all', async (bench, end) => {
    assert.deepEqual(await kept(bench, end, undefined, 4), [3, 2, 1, 0]);
  }),
  ...both('true keeps none, false keeps all', async (bench, end) => {
    assert.deepEqual(await kept(bench, end, true, 4), []);
    assert.deepEqual(await kept(await next(bench), end, false, 3), [2, 1, 0]);
  }),
  ...both('as a number keeps the last ones', async (bench, end) => {
    assert.deepEqual(await kept(bench, end, 3, 9), [8, 7, 6]);
  }),
  ...both('{count} keeps the last ones', async (bench, end) => {
    assert.deepEqual(await kept(bench, end, { count: 2 }, 6), [5, 4]);
  }),
  ...both('{age} drops what is older', async (bench, end) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 1, [end.option]: { age: 1 } };
    const old = await queue.add('rehearse', { act: end.act }, opts);
    const later = await queue.add('rehearse', { act: end.act }, { ...opts, delay: 2_200 });
    await events.ended([old]);
    assert.equal(await (await queue.getJob(old.id)).getState(), end.state);
    await events.ended([later]);
    assert.equal(await queue.getJob(old.id), undefined);
    assert.equal(await (await queue.getJob(later.id)).getState(), end.state);
  }),
  ...both('of the queue (defaultJobOptions)', async (bench, end) => {
    await bench.work({ slots: 1 });
    const queue = await bench.queue('rehearsals', { defaultJobOptions: { attempts: 1, [end.option]: 1 } });
    const events = await bench.events();
    const wish = { name: 'rehearse', data: { act: end.act } };
    const added = await queue.addBulk([wish, wish, wish]);
    await events.ended(added);
    assert.deepEqual((await queue.getJobs([end.state])).map((job) => job.id), [added[2].id]);
  }),
]);

/** Another prefix for the second half of a feature. */
async function next(bench) {
  await bench.close();
  bench.closers = [];
  bench.prefix += 'b';
  return bench;
}
