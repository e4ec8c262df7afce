// Queues that a client pauses and resumes.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { held, ids, ONCE, returns, started, toDo } from '../harness/jobs.mjs';

const WATCH = 'photo-processing';

/** Shows that the worker looks for work: jobs of another queue come and go. */
async function workGoesOn(bench) {
  const [other, events] = await Promise.all([bench.queue(WATCH), bench.events(WATCH)]);
  for (let i = 0; i < 5; i += 1) await events.ended([await other.add('rehearse', { act: 'return' }, ONCE)]);
}

/** What an operator types. */
async function operator(bench, verb, ...more) {
  const { code, output } = await bench.cli('queues', verb, 'rehearsals', '--by', 'ann', ...more);
  assert.equal(code, 0, output);
}

export const features = {
  'nothing starts while the queue is paused': async (bench) => {
    const { queue, events } = await bench.set({ queues: ['rehearsals', WATCH] });
    const before = await queue.add('rehearse', { act: 'return' }, ONCE);
    await events.ended([before]);
    await queue.pause();
    const added = await queue.addBulk([returns(1), returns(2, { priority: 3 }), returns(3, { lifo: true })]);
    await workGoesOn(bench);
    assert.equal(await queue.isPaused(), true);
    assert.deepEqual(started(events), [before.id]);
    assert.equal(await toDo(queue), 3);
    await queue.resume();
    assert.equal(await queue.isPaused(), false);
    await events.ended(added);
    assert.equal(started(events).length, 4);
    assert.deepEqual([events.of('paused').length, events.of('resumed').length], [1, 1]);
  },

  'a worker that starts on a paused queue waits': async (bench) => {
    const queue = await bench.queue();
    const added = await queue.addBulk([returns(1), returns(2)]);
    await queue.pause();
    const events = await bench.events();
    await bench.work({ queues: ['rehearsals', WATCH] });
    await workGoesOn(bench);
    assert.deepEqual(started(events), []);
    await queue.resume();
    await events.ended(added);
  },

  'what runs at the time of the pause is finished': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const waiting = await queue.add('rehearse', { act: 'return' }, ONCE);
    await queue.pause();
    await events.ended([holder]);
    assert.equal(await holder.getState(), 'completed');
    assert.deepEqual(started(events), [holder.id]);
    await queue.resume();
    await events.ended([waiting]);
  },

  'order and priorities outlive a pause': async (bench) => {
    const { queue, events, holder } = await held(bench);
    const before = await queue.addBulk([returns('a'), returns('b', { priority: 2 })]);
    await queue.pause();
    const during = await queue.addBulk([returns('c'), returns('d', { priority: 1 }), returns('e', { lifo: true })]);
    await events.ended([holder]);
    await queue.resume();
    await events.ended([...before, ...during]);
    const [a, b] = before;
    const [c, d, e] = during;
    assert.deepEqual(started(events), ids([holder, e, a, c, d, b]));
  },

  'pausing twice and resuming twice do no harm': async (bench) => {
    const { queue, events } = await bench.set();
    for (let i = 0; i < 2; i += 1) await queue.pause();
    const job = await queue.add('rehearse', { act: 'return' }, ONCE);
    for (let i = 0; i < 2; i += 1) await queue.resume();
    await events.ended([job]);
  },

  'what is retried while the queue is paused runs after the pause': async (bench) => {
    const { queue, events } = await bench.set({ slots: 1, settings: { 'kinds.rehearse.timeout': '1s' } });
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
    const added = await queue.addBulk([returns('waiting'), returns('due', { delay: 50 })]);
    await events.until('it is due', () => events.of('waiting', added[1].id).length > 0);
    // BullMQ 5 renames `wait` to `paused`, and back over whatever is in `wait` by then.
    const redis = bench.raw();
    const key = (part) => `${bench.prefix}:rehearsals:${part}`;
    await eventually('it is where the client keeps the others', async () =>
      (await redis.exists(key('paused'))) === 0 || (await redis.exists(key('wait'))) === 0);
    await queue.resume();
    await events.ended(added);
    assert.equal(started(events).length, 2);
  },

  'the children of a parent run after a pause, and then the parent': async (bench) => {
    const { queue, events } = await bench.set();
    const producer = new bench.bullmq.FlowProducer(bench.options());
    bench.onClose(() => producer.close());
    await queue.pause();
    const child = { ...returns('child'), queueName: 'rehearsals' };
    const flow = await producer.add({ ...returns('parent'), queueName: 'rehearsals', children: [child] });
    await queue.resume();
    await events.ended([flow.job]);
    assert.deepEqual(started(events), ids([flow.children[0].job, flow.job]));
  },

  'an operator pauses a queue for all workers and clients, a client lifts every pause': async (bench) => {
    const { queue, events } = await bench.set({ queues: ['rehearsals', WATCH] });
    await operator(bench, 'pause', '--reason', 'load in');
    assert.equal(await queue.isPaused(), true);
    const added = await queue.addBulk([returns(1), returns(2, { priority: 3 })]);
    await workGoesOn(bench);
    assert.deepEqual(started(events), []);
    // One more, which the end of the operator's does not lift.
    await queue.pause();
    await operator(bench, 'resume');
    assert.equal(await queue.isPaused(), true);
    await operator(bench, 'pause', '--reason', 'load in');
    await queue.resume();
    await events.ended(added);
    const { stdout } = await bench.cli('queues', '--json');
    const shown = JSON.parse(stdout).find(({ queue: name }) => name === 'rehearsals');
    assert.deepEqual([shown.paused, shown.pauses], [false, []]);
  },

  "order outlives an operator's pause": async (bench) => {
    const { queue, events, holder } = await held(bench);
    const before = await queue.addBulk([returns('a'), returns('b')]);
    await operator(bench, 'pause', '--reason', 'load in');
    const during = await queue.addBulk([returns('c'), returns('d')]);
    await events.ended([holder]);
    await operator(bench, 'resume');
    await events.ended([...before, ...during]);
    assert.deepEqual(started(events), ids([holder, ...before, ...during]));
  },
};
