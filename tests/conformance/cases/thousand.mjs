// A producer's load: mixed priorities, delays and attempts.
import assert from 'node:assert/strict';

/** The same mix in every run. */
function mixed(i) {
  const attempts = 1 + (i % 4);
  return {
    name: 'rehearse',
    data: { act: 'return', value: { i }, failures: i % 5 },
    opts: {
      attempts,
      priority: [0, 0, 3, 1, 7][(i * 7) % 5],
      delay: i % 7 === 0 ? 50 * (i % 11) : 0,
    },
  };
}

export const features = {
  '1,000 mixed jobs end as their options say': async (bench) => {
    const { queue, events } = await bench.set();
    const wishes = Array.from({ length: 1000 }, (_, i) => mixed(i));
    const singly = wishes.slice(0, 200).map(({ name, data, opts }) => queue.add(name, data, opts));
    const added = [...(await Promise.all(singly)), ...(await queue.addBulk(wishes.slice(200)))];
    await events.ended(added, 35_000);
    const ended = await Promise.all(added.map((job) => queue.getJob(job.id)));
    ended.forEach((job, i) => {
      const { data, opts } = wishes[i];
      const failures = Math.min(data.failures, opts.attempts);
      const succeeds = data.failures < opts.attempts;
      const shown = `job ${i} ${JSON.stringify(wishes[i])}`;
      assert.deepEqual(job.returnvalue, succeeds ? { i } : null, shown);
      assert.equal(job.attemptsMade, succeeds ? failures + 1 : failures, shown);
      assert.equal(job.attemptsStarted, job.attemptsMade, shown);
      assert.equal(events.of('active', job.id).length, job.attemptsMade, shown);
      assert.equal(events.of('completed', job.id).length, succeeds ? 1 : 0, shown);
      assert.equal(events.of('failed', job.id).length, succeeds ? 0 : 1, shown);
      if (!succeeds) assert.equal(job.failedReason, `attempt ${failures} fails as asked`, shown);
      assert.ok(Array.isArray(job.stacktrace), shown);
      assert.equal(job.stacktrace.length, failures, shown);
      job.stacktrace.forEach((trace, at) => {
        assert.ok(trace.includes(`attempt ${at + 1} fails as asked`), `${shown}: ${trace}`);
      });
    });
    const counts = await queue.getJobCounts();
    const failed = wishes.filter(({ data, opts }) => data.failures >= opts.attempts).length;
    assert.equal(counts.completed, 1000 - failed);
    assert.equal(counts.failed, failed);
    assert.equal(counts.active + counts.waiting + counts.delayed + counts.prioritized, 0);
  },

  'priorities: none first, then ascending, first in first out within one': async (bench) => {
    const queue = await bench.queue();
    const wishes = Array.from({ length: 60 }, (_, i) => ({
      name: 'rehearse',
      data: { act: 'return', value: i },
      opts: { priority: [5, 0, 1, 2_097_151, 5, 2][(i * 5) % 6] },
    }));
    const added = await queue.addBulk(wishes);
    const events = await bench.events();
    await bench.work({ slots: 1 });
    await events.ended(added);
    const order = events.of('active').map((event) => event.jobId);
    const expected = added
      .map((job, i) => ({ id: job.id, priority: wishes[i].opts.priority, i }))
      .sort((a, b) => a.priority - b.priority || a.i - b.i)
      .map((job) => job.id);
    assert.deepEqual(order, expected);
  },

  'a delayed job is never early, and soon when the queue is idle': async (bench) => {
    const { queue, events } = await bench.set();
    const delays = Array.from({ length: 20 }, (_, i) => 60 * (i + 1));
    const added = await Promise.all(
      delays.map((delay) => queue.add('rehearse', { act: 'return' }, { delay, attempts: 1 })),
    );
    await events.ended(added);
    const late = [];
    for (const { id } of added) {
      const job = await queue.getJob(id);
      const early = job.timestamp + job.opts.delay - job.processedOn;
      assert.ok(early <= 1, `job ${id} ran ${early} ms early`);
      late.push(-early);
    }
    assert.ok(Math.max(...late) < 5_000, `late by ${late} ms`);
    bench.note(`late by ${Math.max(...late)} ms at most`);
  },

  'a failing job has exactly its attempts': async (bench) => {
    const { queue, events } = await bench.set();
    const fail = { act: 'fail', message: 'no luck: ünlucky 🎸' };
    const added = await Promise.all(
      [1, 2, 5, 12].map((attempts) => queue.add('rehearse', fail, { attempts })),
    );
    await events.ended(added);
    for (const { id, opts } of added) {
      const job = await queue.getJob(id);
      assert.equal(await job.getState(), 'failed');
      assert.equal(events.of('active', id).length, opts.attempts);
      assert.equal(job.attemptsMade, opts.attempts);
      assert.equal(job.failedReason, fail.message);
      assert.ok(job.finishedOn >= job.processedOn);
      assert.ok(Array.isArray(job.stacktrace) && job.stacktrace.length >= Math.min(opts.attempts, 10));
      assert.ok(job.stacktrace.every((trace) => trace.includes(fail.message)));
    }
  },

  'a permanent error ends a job whatever attempts are left': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'discard', message: 'never' }, { attempts: 9 });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(await ended.getState(), 'failed');
    assert.equal(ended.attemptsMade, 1);
    assert.equal(ended.failedReason, 'never');
    assert.equal(ended.stacktrace.length, 1);
  },
};
