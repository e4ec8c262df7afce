// Jobs that come from other jobs: children, schedules, the queue's own limits.
import assert from 'node:assert/strict';

const ONCE = { attempts: 1 };
const child = (data, opts) => ({ name: 'rehearse', queueName: 'rehearsals', data, opts: { ...ONCE, ...opts } });

async function flow(bench, tree) {
  const { queue, events } = await bench.set();
  const producer = new bench.bullmq.FlowProducer(bench.options());
  bench.onClose(() => producer.close());
  const node = await producer.add({ name: 'rehearse', queueName: 'rehearsals', opts: ONCE, ...tree });
  return { queue, events, parent: node.job, children: node.children.map((one) => one.job) };
}

export const features = {
  'a parent runs after its children and can read their values': async (bench) => {
    const { queue, events, parent, children } = await flow(bench, {
      data: { act: 'return', value: 'parent' },
      children: [child({ act: 'return', value: 1 }), child({ act: 'return', value: 2, failures: 1 }, { attempts: 2 })],
    });
    await events.ended([parent, ...children]);
    assert.equal(events.of('active').at(-1).jobId, parent.id);
    const ended = await queue.getJob(parent.id);
    assert.equal(ended.returnvalue, 'parent');
    assert.deepEqual(Object.values(await ended.getChildrenValues()).sort(), [1, 2]);
  },

  'a child that fails fails its parent, when it says so': async (bench) => {
    const { queue, events, parent, children } = await flow(bench, {
      data: { act: 'return' },
      children: [child({ act: 'discard', message: 'no' }, { failParentOnFailure: true })],
    });
    await events.ended([parent, ...children]);
    const ended = await queue.getJob(parent.id);
    assert.equal(await ended.getState(), 'failed');
    assert.match(ended.failedReason, /child .* failed/);
    assert.equal(events.of('completed', parent.id).length, 0);
  },

  'a child that fails is ignored by its parent, when it says so': async (bench) => {
    const { queue, events, parent, children } = await flow(bench, {
      data: { act: 'return', value: 'all the same' },
      children: [child({ act: 'discard' }, { ignoreDependencyOnFailure: true })],
    });
    await events.ended([parent, ...children]);
    assert.equal((await queue.getJob(parent.id)).returnvalue, 'all the same');
  },

  'a schedule goes on as long as its jobs are run': async (bench) => {
    const { queue, events } = await bench.set();
    const template = { name: 'rehearse', data: { act: 'return', value: 'tick' }, opts: ONCE };
    await queue.upsertJobScheduler('ticks', { every: 200, limit: 3 }, template);
    await events.until('three runs', () => events.of('completed').length >= 3);
    const runs = events.of('completed');
    assert.equal(new Set(runs.map((run) => run.jobId)).size, runs.length);
    assert.ok(runs.every((run) => run.returnvalue === 'tick'));
    const active = events.of('active').map((event) => event.at);
    assert.ok(active[2] - active[0] >= 200, `active at ${active}`);
  },

  'the concurrency that a client sets for the queue holds': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.setGlobalConcurrency(1);
    const data = { act: 'steps', steps: 1, stepMs: 60 };
    const added = await queue.addBulk(Array.from({ length: 5 }, () => ({ name: 'rehearse', data, opts: ONCE })));
    await events.ended(added);
    const heard = events.seen.map((event) => event.event).filter((name) => /^(active|completed)$/.test(name));
    assert.deepEqual(heard, Array.from({ length: 5 }, () => ['active', 'completed']).flat());
  },

  'the rate that a client sets for the queue holds': async (bench) => {
    const queue = await bench.queue();
    await queue.setGlobalRateLimit(2, 300);
    const added = await queue.addBulk(Array.from({ length: 6 }, () => child({ act: 'return' })));
    const events = await bench.events();
    await bench.work();
    await events.ended(added);
    const active = events.of('active').map((event) => event.at);
    assert.ok(active[5] - active[0] >= 550, `active at ${active.map((at) => at - active[0])}`);
    assert.ok(active[5] - active[0] < 5_000, `active at ${active.map((at) => at - active[0])}`);
  },
};
