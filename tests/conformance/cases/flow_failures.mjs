// What becomes of a parent when a child fails for good: the child's options say.
import assert from 'node:assert/strict';
import { node, plant, returns, started } from '../harness/jobs.mjs';

const gives = (value, opts, children) => node({ act: 'return', value }, opts, children);
const dies = (opts, children) => node({ act: 'discard', message: 'no luck' }, opts, children);
const key = (bench, job, queue = 'rehearsals') => `${bench.prefix}:${queue}:${job.id}`;

/** A flow in the queue `rehearsals`; `ends` are the places of the jobs that end. */
async function grown(bench, tree, ends) {
  const { queue, events } = await bench.set();
  const jobs = await plant(bench, tree);
  await events.ended(ends ? ends.map((i) => jobs[i]) : jobs);
  const now = await Promise.all(jobs.map((job) => queue.getJob(job.id)));
  const states = await Promise.all(now.map((job) => job?.getState()));
  return { queue, events, jobs: now, states };
}

/** A job that ends now, after everything that was under way. */
async function settled(queue, events) {
  const { name, data, opts } = returns('last');
  await events.ended([await queue.add(name, data, opts)]);
}

export const features = {
  'failParentOnFailure: the parent fails without running, and says why': async (bench) => {
    const child = dies({ failParentOnFailure: true });
    const { events, jobs, states } = await grown(bench, gives('parent', { attempts: 3 }, [child, gives('good')]));
    const [parent, bad, good] = jobs;
    assert.deepEqual(states, ['failed', 'failed', 'completed']);
    assert.equal(parent.failedReason, `child ${key(bench, bad)} failed`);
    assert.equal(events.of('failed', parent.id)[0].failedReason, parent.failedReason);
    assert.equal(parent.attemptsMade, 1, 'retrying cannot help');
    assert.deepEqual(await parent.getChildrenValues(), { [key(bench, good)]: 'good' });
    assert.deepEqual((await parent.getDependencies()).failed, [key(bench, bad)]);
    assert.deepEqual(await parent.getIgnoredChildrenFailures(), {});
  },

  'failParentOnFailure: only when the child has no attempt left': async (bench) => {
    const child = node({ act: 'return', failures: 2 }, { failParentOnFailure: true, attempts: 3 });
    const { states } = await grown(bench, gives('parent', {}, [child]));
    assert.deepEqual(states, ['completed', 'completed']);
  },

  'failParentOnFailure: up through three generations': async (bench) => {
    const up = { failParentOnFailure: true };
    const { events, jobs, states } = await grown(
      bench,
      gives('root', {}, [gives('child', up, [dies(up)]), gives('sibling')]),
    );
    assert.deepEqual(states, ['failed', 'failed', 'failed', 'completed']);
    assert.equal(jobs[0].failedReason, `child ${key(bench, jobs[1])} failed`);
    assert.equal(jobs[1].failedReason, `child ${key(bench, jobs[2])} failed`);
    for (const job of jobs) assert.equal(events.of('failed', job.id).length + events.of('completed', job.id).length, 1);
  },

  'failParentOnFailure: in another queue, and up to a third one': async (bench) => {
    const up = { failParentOnFailure: true };
    const names = ['rehearsals', 'middle', 'bottom'];
    const [{ events }, middle, bottom] = await Promise.all([
      bench.set({ queues: names }),
      ...names.slice(1).map((name) => bench.events(name)),
    ]);
    const [root, child, leaf] = await plant(
      bench,
      gives('root', {}, [gives('child', { ...up, queueName: 'middle' }, [dies({ ...up, queueName: 'bottom' })])]),
    );
    await Promise.all([events.ended([root]), middle.ended([child]), bottom.ended([leaf])]);
    assert.equal(events.of('failed', root.id)[0].failedReason, `child ${key(bench, child, 'middle')} failed`);
    assert.equal(middle.of('failed', child.id)[0].failedReason, `child ${key(bench, leaf, 'bottom')} failed`);
    assert.equal(bottom.of('failed', leaf.id)[0].failedReason, 'no luck');
  },

  'failParentOnFailure: also when the child is not kept': async (bench) => {
    const child = dies({ failParentOnFailure: true, removeOnFail: true });
    const { jobs, states } = await grown(bench, gives('parent', {}, [child]));
    assert.deepEqual(states, ['failed', undefined]);
    assert.match(jobs[0].failedReason, /^child .* failed$/);
  },

  'failParentOnFailure: a delayed parent fails when it is due': async (bench) => {
    const child = dies({ failParentOnFailure: true });
    const { jobs, states } = await grown(bench, gives('parent', { delay: 300 }, [child]));
    assert.deepEqual(states, ['failed', 'failed']);
    assert.match(jobs[0].failedReason, /^child .* failed$/);
    assert.ok(jobs[0].finishedOn - jobs[0].timestamp >= 299);
  },

  'failParentOnFailure: a parent that failed so can be retried': async (bench) => {
    const tree = gives('parent', {}, [
      node({ act: 'return', value: 'at last', failures: 1 }, { failParentOnFailure: true }),
    ]);
    const { queue, events, jobs } = await grown(bench, tree);
    const [parent, child] = jobs;
    await child.retry();
    await events.until('the child completes', () => events.of('completed', child.id).length > 0);
    await settled(queue, events);
    await (await queue.getJob(parent.id)).retry();
    await events.until('the parent ends again', () => {
      const ends = [...events.of('completed', parent.id), ...events.of('failed', parent.id)];
      return ends.length > 1;
    });
    assert.equal(await parent.getState(), 'completed');
    assert.deepEqual(await parent.getChildrenValues(), { [key(bench, child)]: 'at last' });
  },

  'failParentOnFailure: a child whose worker died too often': async (bench) => {
    const [queue, events] = await Promise.all([bench.queue(), bench.events()]);
    const [parent, child] = await plant(bench, gives('parent', {}, [gives('child', { failParentOnFailure: true })]));
    const doomed = bench.doomed({ lockDuration: 300, stalledInterval: 300 });
    await events.until('it runs', () => events.of('active', child.id).length > 0);
    await doomed.stop('SIGKILL');
    const settings = { 'worker.recovery_scan': '200ms', 'worker.max_crashes': 1 };
    await bench.work({ settings, own: { stalledInterval: 300, maxStalledCount: 0 } });
    await events.ended([parent, child]);
    assert.match((await queue.getJob(child.id)).failedReason, /stalled more than allowable limit/);
    assert.equal((await queue.getJob(parent.id)).failedReason, `child ${key(bench, child)} failed`);
  },

  'ignoreDependencyOnFailure: the parent runs and can read the reason': async (bench) => {
    const { events, jobs, states } = await grown(
      bench,
      gives('parent', {}, [dies({ ignoreDependencyOnFailure: true }), gives('good')]),
    );
    const [parent, bad, good] = jobs;
    assert.deepEqual(states, ['completed', 'failed', 'completed']);
    assert.equal(started(events).at(-1), parent.id);
    assert.deepEqual(await parent.getIgnoredChildrenFailures(), { [key(bench, bad)]: 'no luck' });
    assert.deepEqual(await parent.getChildrenValues(), { [key(bench, good)]: 'good' });
    const counts = await parent.getDependenciesCount();
    assert.deepEqual({ ...counts }, { processed: 1, unprocessed: 0, failed: 0, ignored: 1 });
  },

  'ignoreDependencyOnFailure: in the middle of three generations': async (bench) => {
    const { jobs, states } = await grown(
      bench,
      gives('root', {}, [
        gives('child', { ignoreDependencyOnFailure: true }, [dies({ failParentOnFailure: true })]),
      ]),
    );
    assert.deepEqual(states, ['completed', 'failed', 'failed']);
    const [root, child, leaf] = jobs;
    const reason = `child ${key(bench, leaf)} failed`;
    assert.deepEqual(await root.getIgnoredChildrenFailures(), { [key(bench, child)]: reason });
  },

  'removeDependencyOnFailure: the parent runs and knows nothing of it': async (bench) => {
    const { jobs, states } = await grown(
      bench,
      gives('parent', {}, [dies({ removeDependencyOnFailure: true }), gives('good')]),
    );
    const [parent, , good] = jobs;
    assert.deepEqual(states, ['completed', 'failed', 'completed']);
    assert.deepEqual(await parent.getIgnoredChildrenFailures(), {});
    assert.deepEqual(await parent.getChildrenValues(), { [key(bench, good)]: 'good' });
    const counts = await parent.getDependenciesCount();
    assert.deepEqual({ ...counts }, { processed: 1, unprocessed: 0, failed: 0, ignored: 0 });
  },

  'removeDependencyOnFailure: up to another queue, three generations': async (bench) => {
    const other = { queueName: 'other' };
    const { queue, events } = await bench.set({ queues: ['rehearsals', 'other'] });
    const [root] = await plant(
      bench,
      gives('root', {}, [
        gives('child', other, [dies({ removeDependencyOnFailure: true }), dies({ ...other, removeDependencyOnFailure: true })]),
      ]),
    );
    await events.until('the root ends', () => events.of('completed', root.id).length > 0);
    assert.deepEqual(Object.values(await (await queue.getJob(root.id)).getChildrenValues()), ['child']);
  },

  'continueParentOnFailure: the parent starts before its other children are done': async (bench) => {
    const { queue, events } = await bench.set();
    const [parent, bad, slow] = await plant(
      bench,
      node({ act: 'steps', steps: 1, stepMs: 1_400 }, {}, [
        dies({ continueParentOnFailure: true }),
        node({ act: 'steps', steps: 1, stepMs: 1_000 }),
      ]),
    );
    await events.ended([parent, bad, slow]);
    const at = (name, id) => events.seen.findIndex((event) => event.event === name && event.jobId === id);
    assert.ok(at('active', parent.id) > at('failed', bad.id));
    assert.ok(at('active', parent.id) < at('completed', slow.id), 'it did not wait');
    const ended = await queue.getJob(parent.id);
    assert.equal(await ended.getState(), 'completed');
    assert.deepEqual(await ended.getIgnoredChildrenFailures(), { [key(bench, bad)]: 'no luck' });
  },

  'continueParentOnFailure: a parent that ends before its children fails with that': async (bench) => {
    const { events, jobs, states } = await grown(
      bench,
      gives('parent', {}, [dies({ continueParentOnFailure: true }), gives('late', { delay: 3_600_000 })]),
      [0, 1],
    );
    assert.deepEqual(states, ['failed', 'failed', 'delayed']);
    assert.match(jobs[0].failedReason, /pending dependencies|before the job's children/);
    assert.equal(events.of('active', jobs[0].id).length, 1);
  },

  'without an option the parent waits until the child is retried': async (bench) => {
    const tree = gives('parent', {}, [node({ act: 'return', value: 'at last', failures: 1 })]);
    const { queue, events, jobs, states } = await grown(bench, tree, [1]);
    const [parent, child] = jobs;
    assert.deepEqual(states, ['waiting-children', 'failed']);
    await settled(queue, events);
    assert.equal(await parent.getState(), 'waiting-children');
    await child.retry();
    await events.until('the parent completes', () => events.of('completed', parent.id).length > 0);
    assert.deepEqual(await parent.getChildrenValues(), { [key(bench, child)]: 'at last' });
  },

  'every option at once, each child by its own': async (bench) => {
    const { jobs, states } = await grown(
      bench,
      gives('parent', {}, [
        dies({ ignoreDependencyOnFailure: true }),
        dies({ removeDependencyOnFailure: true }),
        gives('good'),
        dies({ ignoreDependencyOnFailure: true, removeOnFail: true }),
      ]),
    );
    assert.deepEqual(states, ['completed', 'failed', 'failed', 'completed', undefined]);
    const ignored = await jobs[0].getIgnoredChildrenFailures();
    assert.ok(ignored[key(bench, jobs[1])] === 'no luck', JSON.stringify(ignored));
  },
};
