// Roadie and a BullMQ worker of the client's version serve one queue: a migration in mid-air.
import assert from 'node:assert/strict';

const OTHER = { roadie: 'node', node: 'roadie' };

/** A job that fails under the first worker and is finished by the second. */
async function handOver(bench, first, second) {
  const queue = await bench.queue();
  const events = await bench.events();
  const opts = { attempts: 3, backoff: 400 };
  const job = await queue.add('rehearse', { act: 'return', value: 'done', failures: 1 }, opts);
  const before = await bench.work({ worker: first });
  await events.until(`${first} fails`, () => events.of('delayed', job.id).length === 1);
  const failed = await queue.getJob(job.id);
  assert.equal(failed.attemptsMade, 1);
  assert.equal(failed.failedReason, 'attempt 1 fails as asked');
  await before.stop();
  await bench.work({ worker: second });
  await events.ended([job]);
  const ended = await queue.getJob(job.id);
  assert.equal(ended.returnvalue, 'done');
  assert.equal(ended.attemptsMade, 2);
  assert.equal(ended.stacktrace.length, 1);
  assert.equal(ended.processedBy === 'node', second === 'node', `finished by ${ended.processedBy}`);
}

export const features = {
  '300 jobs run once each, and both do some': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const wishes = Array.from({ length: 300 }, (_, i) => ({
      name: 'rehearse',
      // Each takes a while, so that neither worker is done before the other has begun.
      data: { act: 'steps', steps: 1, stepMs: 30 + (i % 5) },
      opts: { attempts: 1, priority: i % 3, delay: i % 10 === 0 ? 100 : 0 },
    }));
    await Promise.all([bench.work({ slots: 4 }), bench.work({ worker: OTHER[bench.worker], slots: 4 })]);
    const added = await queue.addBulk(wishes);
    await events.ended(added);
    const by = {};
    for (const [i, { id }] of added.entries()) {
      const job = await queue.getJob(id);
      const who = job.processedBy === 'node' ? 'node' : 'roadie';
      by[who] = (by[who] ?? 0) + 1;
      assert.deepEqual(job.returnvalue, { steps: 1, resumedAt: 0 });
      assert.equal(job.attemptsStarted, 1, `job ${i}`);
      assert.equal(events.of('active', id).length, 1, `job ${i}`);
      assert.equal(events.of('completed', id).length, 1, `job ${i}`);
    }
    assert.ok(by.node > 10 && by.roadie > 10, JSON.stringify(by));
    bench.note(`roadie ${by.roadie}, BullMQ ${by.node}`);
  },

  'what roadie retries BullMQ may finish': (bench) => handOver(bench, 'roadie', 'node'),
  'what BullMQ retries roadie may finish': (bench) => handOver(bench, 'node', 'roadie'),

  'a job that roadie releases at its end is finished by BullMQ': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const before = await bench.work({
      worker: 'roadie',
      settings: { 'worker.grace_period': '50ms' },
      exit: 75,
    });
    const job = await queue.add('rehearse', { act: 'steps', steps: 20, stepMs: 50 }, { attempts: 1 });
    await events.until('progress', () => events.of('progress', job.id).length > 0);
    await before.stop();
    assert.equal(await job.getState(), 'waiting');
    await bench.work({ worker: 'node' });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue.steps, 20);
    assert.equal(ended.attemptsMade, 1, 'the release counted no attempt');
    assert.equal(ended.processedBy, 'node');
  },

  'a job whose BullMQ worker died is finished by roadie': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const job = await queue.add('rehearse', { act: 'return', value: 'recovered' }, { attempts: 1 });
    // A worker that takes the job and is never heard of again.
    const dead = new bench.bullmq.Worker('rehearsals', null, { ...bench.options(), lockDuration: 300 });
    bench.onClose(() => dead.close(true));
    await dead.getNextJob('nobody');
    await bench.work({ worker: 'roadie', settings: { 'worker.recovery_scan': '200ms' } });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue, 'recovered');
    assert.equal(ended.attemptsMade, 1);
    assert.equal(ended.attemptsStarted, 2);
    assert.ok(events.of('stalled', job.id).length === 1);
  },
};
