// Jobs that wait for others.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { ids, node, plant, returns, started, toDo } from '../harness/jobs.mjs';

const gives = (value, opts, children) => node({ act: 'return', value }, opts, children);
const key = (bench, job, queue = 'rehearsals') => `${bench.prefix}:${queue}:${job.id}`;

/** A flow in the queue `rehearsals`, and its end. */
async function grown(bench, tree, options) {
  const { queue, events } = await bench.set();
  const jobs = await plant(bench, tree, options);
  await events.ended(jobs);
  return { queue, events, jobs, parent: await queue.getJob(jobs[0].id) };
}

export const features = {
  'a parent runs after its children and can read their values': async (bench) => {
    const { events, jobs, parent } = await grown(
      bench,
      gives('parent', {}, [gives(1), node({ act: 'return', value: 2, failures: 1 }, { attempts: 2 })]),
    );
    assert.equal(started(events).at(-1), parent.id);
    assert.equal(parent.returnvalue, 'parent');
    const [, one, two] = jobs;
    assert.deepEqual(await parent.getChildrenValues(), { [key(bench, one)]: 1, [key(bench, two)]: 2 });
  },

  'values of every JSON type reach the parent': async (bench) => {
    const values = [null, 0, 'текст 🎸', '', [1, [2]], { a: { b: null } }, false];
    const { jobs, parent } = await grown(bench, gives('parent', {}, values.map((value) => gives(value))));
    const found = await parent.getChildrenValues();
    values.forEach((value, i) => assert.deepEqual(found[key(bench, jobs[i + 1])], value));
  },

  'three generations run from the leaves to the root': async (bench) => {
    const { events, jobs } = await grown(
      bench,
      gives('root', {}, [gives('left', {}, [gives('l1'), gives('l2')]), gives('right', {}, [gives('r1')])]),
    );
    const order = started(events);
    const at = (i) => order.indexOf(jobs[i].id);
    const [root, left, l1, l2, right, r1] = [0, 1, 2, 3, 4, 5].map(at);
    assert.equal(root, 5);
    assert.ok(left > l1 && left > l2 && right > r1, `${order}`);
  },

  'children in another queue': async (bench) => {
    const other = 'photo-processing';
    const [{ queue, events }, theirs] = await Promise.all([
      bench.set({ queues: ['rehearsals', other] }),
      bench.events(other),
    ]);
    const [parent, one, two] = await plant(
      bench,
      gives('parent', {}, [gives('there', { queueName: other }), gives('here')]),
    );
    await Promise.all([events.ended([parent, two]), theirs.ended([one])]);
    assert.deepEqual(ids([one]), theirs.of('completed').map((event) => event.jobId));
    assert.deepEqual(await (await queue.getJob(parent.id)).getChildrenValues(), {
      [key(bench, one, other)]: 'there',
      [key(bench, two)]: 'here',
    });
  },

  'a parent waits for its children in its own state': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const [parent, child] = await plant(bench, gives('parent', {}, [gives('child')]));
    assert.equal(await parent.getState(), 'waiting-children');
    assert.equal((await queue.getJobCounts('waiting-children'))['waiting-children'], 1);
    assert.equal(await child.getState(), 'waiting');
    await bench.work();
    await events.ended([parent, child]);
    const heard = events.seen.filter((event) => event.jobId === parent.id);
    const names = heard.map((event) => event.event);
    assert.deepEqual(names, ['added', 'waiting-children', 'waiting', 'active', 'completed']);
    assert.equal(heard[2].prev, 'waiting-children');
    assert.equal((await queue.getJobCounts('waiting-children'))['waiting-children'], 0);
  },

  'dependencies can be counted and listed, before and after': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const [parent, ...children] = await plant(bench, gives('parent', {}, [gives(1), gives(2), gives(3)]));
    const before = await parent.getDependencies();
    assert.deepEqual([...before.unprocessed].sort(), children.map((child) => key(bench, child)).sort());
    await bench.work();
    await events.ended([parent, ...children]);
    const counts = await parent.getDependenciesCount();
    assert.deepEqual({ ...counts }, { processed: 3, unprocessed: 0, failed: 0, ignored: 0 });
    const { processed } = await (await queue.getJob(parent.id)).getDependencies();
    assert.deepEqual(Object.values(processed).sort(), [1, 2, 3]);
  },

  'options of a parent hold when its children are done': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const plain = await queue.addBulk([returns('a', { priority: 3 }), returns('b', { priority: 5 })]);
    const [parent, child] = await plant(
      bench,
      node({ act: 'return', failures: 1 }, { attempts: 2, priority: 4 }, [gives('child')]),
    );
    await bench.work({ slots: 1 });
    await events.ended([parent, child, ...plain]);
    // The child has no priority, so it is first; the retry goes behind those of its own priority.
    assert.deepEqual(started(events), [child.id, plain[0].id, parent.id, parent.id, plain[1].id]);
    assert.equal((await queue.getJob(parent.id)).attemptsMade, 2);
  },

  'a delayed parent waits for its delay, too': async (bench) => {
    const { parent } = await grown(bench, gives('parent', { delay: 400 }, [gives('child')]));
    const waited = parent.processedOn - parent.timestamp;
    assert.ok(waited >= 399, `started after ${waited} ms`);
  },

  'a child that is added to a waiting parent is waited for': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const [parent, first] = await plant(bench, gives('parent', {}, [gives('first', { delay: 1_000 })]));
    const opts = { attempts: 1, delay: 1_300, parent: { id: parent.id, queue: queue.qualifiedName } };
    const second = await queue.add('rehearse', { act: 'return', value: 'second' }, opts);
    await bench.work();
    await events.ended([parent, first, second]);
    assert.deepEqual(started(events), [first.id, second.id, parent.id]);
    const values = await (await queue.getJob(parent.id)).getChildrenValues();
    assert.deepEqual(Object.values(values).sort(), ['first', 'second']);
  },

  'a child that is not kept has still told its parent': async (bench) => {
    const tree = gives('parent', {}, [gives('gone', { removeOnComplete: true }), gives('kept')]);
    const { queue, jobs, parent } = await grown(bench, tree);
    assert.equal(await queue.getJob(jobs[1].id), undefined);
    assert.deepEqual(Object.values(await parent.getChildrenValues()).sort(), ['gone', 'kept']);
  },

  'a child that is removed is waited for no longer': async (bench) => {
    const { queue, events } = await bench.set();
    const [parent, child, late] = await plant(
      bench,
      gives('parent', {}, [gives('child'), gives('late', { delay: 3_600_000 })]),
    );
    await events.until('the child is done', () => events.of('completed', child.id).length > 0);
    assert.equal(await parent.getState(), 'waiting-children');
    await late.remove();
    await events.ended([parent]);
    assert.deepEqual(Object.values(await (await queue.getJob(parent.id)).getChildrenValues()), ['child']);
  },

  'the handler of a parent reads what its children answered, and why others failed': async (bench) => {
    const child = (value) => node({ act: 'return', value }, { jobId: `child-${value}` });
    const lost = node({ act: 'discard', message: 'no luck' }, { ignoreDependencyOnFailure: true });
    const { parent } = await grown(bench, node({ act: 'collect' }, {}, [child(1), child(2), lost]));
    assert.deepEqual(parent.returnvalue, { completed: [1, 2], failed: ['no luck'] });
  },

  'a handler adds children and waits for them without a slot': async (bench) => {
    const { queue, events } = await bench.set({ slots: 1 });
    const children = [{ act: 'return', value: 'a' }, { act: 'discard', message: 'no luck' }];
    const parent = await queue.add('rehearse', { act: 'children', children }, { attempts: 1 });
    await events.ended([parent]);
    const ended = await queue.getJob(parent.id);
    assert.deepEqual(ended.returnvalue, { completed: ['a'], failed: ['no luck'] });
    assert.equal(ended.attemptsMade, 1, 'waiting is no attempt');
    const heard = events.seen.filter((event) => event.jobId === parent.id).map((event) => event.event);
    assert.deepEqual(heard, ['added', 'waiting', 'active', 'waiting-children', 'waiting', 'active', 'completed']);
    const order = started(events);
    assert.deepEqual([order[0], order.at(-1), order.length], [parent.id, parent.id, 4]);
  },

  'a handler waits for children in another queue': async (bench) => {
    const { queue, events } = await bench.set({ queues: ['rehearsals', 'below'] });
    const children = [1, 2, 3].map((value) => ({ act: 'return', value }));
    const parent = await queue.add('rehearse', { act: 'children', children, queue: 'below' }, { attempts: 1 });
    await events.ended([parent]);
    assert.deepEqual((await queue.getJob(parent.id)).returnvalue, { completed: [1, 2, 3], failed: [] });
  },

  'a parent of 500 children': async (bench) => {
    const children = Array.from({ length: 500 }, (_, i) => gives(i));
    const { events, jobs, parent } = await grown(bench, gives('parent', {}, children));
    assert.equal(started(events).at(-1), parent.id);
    const found = Object.values(await parent.getChildrenValues()).sort((a, b) => a - b);
    assert.deepEqual(found, children.map((_, i) => i));
    assert.equal(jobs.length, 501);
  },

  'children that are taken from their parent are waited for no longer': async (bench) => {
    const { queue, events } = await bench.set();
    const late = () => gives('late', { delay: 3_600_000 });
    const [first, free] = await plant(bench, gives('first', {}, [late()]));
    const [second, unprocessed] = await plant(bench, gives('second', {}, [late()]));
    await free.removeChildDependency();
    await second.removeUnprocessedChildren();
    await events.ended([first, second]);
    assert.equal(await free.getState(), 'delayed');
    assert.equal(await queue.getJob(unprocessed.id), undefined);
  },

  'a hundred flows at once, each in its order': async (bench) => {
    const { queue, events } = await bench.set();
    const producer = new bench.bullmq.FlowProducer(bench.options());
    bench.onClose(() => producer.close());
    const trees = Array.from({ length: 100 }, (_, i) => gives(i, {}, [gives(`${i} a`), gives(`${i} b`)]));
    const flows = await producer.addBulk(trees);
    const jobs = flows.flatMap(({ job, children }) => [...children.map((child) => child.job), job]);
    await events.ended(jobs);
    const order = started(events);
    for (const [i, { job, children }] of flows.entries()) {
      const places = children.map((child) => order.indexOf(child.job.id));
      assert.ok(order.indexOf(job.id) > Math.max(...places), `flow ${i}`);
    }
    const counts = await queue.getJobCounts();
    assert.equal(counts.completed, 300);
    assert.equal(counts['waiting-children'], 0);
  },

  'a finished parent that is retried runs again with its values': async (bench) => {
    const { queue, events } = await bench.set();
    const [parent, child] = await plant(bench, node({ act: 'return', failures: 1 }, {}, [gives('child')]));
    await events.ended([parent, child]);
    const failed = await queue.getJob(parent.id);
    assert.equal(await failed.getState(), 'failed');
    await failed.retry();
    await events.until('the parent completes', () => events.of('completed', parent.id).length > 0);
    assert.deepEqual(Object.values(await failed.getChildrenValues()), ['child']);
    assert.equal(events.of('active', child.id).length, 1);
    await eventually('nothing is left to do', async () => (await toDo(queue)) === 0);
  },
};
