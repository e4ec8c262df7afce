// What travels with a job: logs, progress, trace context, options.
import assert from 'node:assert/strict';
import { ONCE, returns } from '../harness/jobs.mjs';

/** A tracer that only remembers; BullMQ writes its metadata on the jobs that it adds. */
function telemetry() {
  const span = {
    ...{ setAttribute() {}, setAttributes() {}, addEvent() {}, recordException() {}, end() {} },
    setSpanOnContext: (context) => ({ ...context, span: 'producer' }),
  };
  let current = {};
  return {
    tracer: { startSpan: () => span },
    contextManager: {
      with(context, body) {
        const before = current;
        current = context;
        return Promise.resolve(body()).finally(() => (current = before));
      },
      active: () => current,
      getMetadata: (context) => JSON.stringify({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', ...context }),
      fromMetadata: (_, metadata) => JSON.parse(metadata),
    },
  };
}

export const features = {
  'log lines of the producer stay on the job': async (bench) => {
    const queue = await bench.queue();
    const job = await queue.add('rehearse', { act: 'return', failures: 1 }, { attempts: 2 });
    await job.log('asked for by user 7');
    const events = await bench.events();
    await bench.work();
    await events.ended([job]);
    const { logs, count } = await queue.getJobLogs(job.id);
    assert.equal(logs[0], 'asked for by user 7');
    assert.equal(count, logs.length);
  },

  'log lines can be added while the job runs and after': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'steps', steps: 1, stepMs: 200 }, { ...ONCE, keepLogs: 3 });
    await events.until('it runs', () => events.of('active', job.id).length > 0);
    for (const line of ['one', 'two', 'three', 'four']) await job.log(line);
    await events.ended([job]);
    await queue.addJobLog(job.id, 'after', 3);
    assert.deepEqual((await queue.getJobLogs(job.id)).logs, ['three', 'four', 'after']);
    await job.clearLogs();
    assert.equal((await queue.getJobLogs(job.id)).count, 0);
  },

  'log lines that a handler writes, as many as are kept': async (bench) => {
    const { queue, events } = await bench.set();
    const lines = ['один', 'two', 'three', '🎸'];
    const [all, last] = await queue.addBulk(
      [{}, { keepLogs: 2 }].map((opts) => ({ name: 'rehearse', data: { act: 'log', lines }, opts: { ...ONCE, ...opts } })),
    );
    await events.ended([all, last]);
    assert.deepEqual((await queue.getJobLogs(all.id)).logs, lines);
    assert.deepEqual((await queue.getJobLogs(last.id)).logs, lines.slice(2));
  },

  'log lines go with their job': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 400, removeOnComplete: true });
    await job.log('once');
    await events.ended([job]);
    assert.equal((await queue.getJobLogs(job.id)).count, 0);
  },

  'progress is on the job while it runs and after': async (bench) => {
    const { queue, events } = await bench.set();
    const data = { act: 'steps', steps: 3, stepMs: 300 };
    const job = await queue.add('rehearse', data, ONCE);
    await events.until('progress', () => events.of('progress', job.id).length > 0);
    const running = await queue.getJob(job.id);
    assert.equal(running.progress.of, 3);
    await events.ended([job]);
    assert.deepEqual((await queue.getJob(job.id)).progress, { step: 3, of: 3 });
  },

  'progress of every JSON type that a client sets': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const job = await queue.add('rehearse', { act: 'return' }, { ...ONCE, delay: 200 });
    const values = [0, 42.5, 'half', true, { at: [1, 2] }];
    for (const value of values) await job.updateProgress(value);
    await bench.work();
    await events.ended([job]);
    assert.deepEqual(events.of('progress', job.id).map((event) => event.data), values);
    assert.deepEqual((await queue.getJob(job.id)).progress, { at: [1, 2] });
  },

  'options stay as the producer wrote them, to the byte': async (bench) => {
    const { queue, events } = await bench.set();
    const redis = bench.raw();
    const opts = {
      ...{ attempts: 3, backoff: { type: 'fixed', delay: 30, jitter: 0.5 }, priority: 4, delay: 30, keepLogs: 7 },
      ...{ removeOnFail: { age: 60, count: 3 }, stackTraceLimit: 1, telemetry: { metadata: 'm', omitContext: true } },
      ...{ deduplication: { id: 'seven' }, sizeLimit: 10_000, timestamp: Date.now() - 5, unheardOf: { a: [1] } },
    };
    const jobs = [];
    for (const data of [{ act: 'return', failures: 2 }, { act: 'fail' }, { act: 'postpone', afterMs: 50 }]) {
      const added = await queue.add('rehearse', data, opts);
      const raw = () => redis.hmget(`${bench.prefix}:rehearsals:${added.id}`, 'opts', 'data', 'name', 'timestamp', 'delay');
      const before = await raw();
      await events.ended([added]);
      const after = await raw();
      // A delay is over once it was waited for.
      assert.deepEqual(after.slice(0, 4), before.slice(0, 4));
      assert.equal(after[4], '0');
      jobs.push(await queue.getJob(added.id));
    }
    assert.deepEqual(jobs.map((job) => job.stacktrace.length), [1, 1, 0]);
  },

  'trace context is kept on success, retry, failure and postponing': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 2, telemetry: { metadata: '{"traceparent":"00-1-2-01"}', omitContext: false } };
    const acts = [{ act: 'return', failures: 1 }, { act: 'fail' }, { act: 'discard' }, { act: 'postpone', afterMs: 50 }];
    const added = await queue.addBulk(acts.map((data) => ({ name: 'rehearse', data, opts })));
    await events.ended(added);
    for (const { id } of added) assert.deepEqual((await queue.getJob(id)).opts.telemetry, opts.telemetry);
  },

  'trace context that a tracer of the client writes is kept': async (bench) => {
    const queue = await bench.queue('rehearsals', { telemetry: telemetry() });
    const events = await bench.events();
    await bench.work();
    const [plain, [bulk]] = [
      await queue.add('rehearse', { act: 'return', failures: 1 }, { attempts: 2 }),
      await queue.addBulk([returns(1)]),
    ];
    await events.ended([plain, bulk]);
    for (const { id } of [plain, bulk]) {
      const { metadata } = (await queue.getJob(id)).opts.telemetry;
      assert.match(JSON.parse(metadata).traceparent, /^00-0af7651916cd43dd8448eb211c80319c-/);
    }
  },

  'times: added, started, finished, in that order and on Redis\' clock': async (bench) => {
    const { queue, events } = await bench.set();
    const added = await queue.addBulk([returns(1), returns(2, { delay: 100 })]);
    await events.ended(added);
    for (const { id } of added) {
      const job = await queue.getJob(id);
      assert.ok(job.timestamp <= job.processedOn && job.processedOn <= job.finishedOn, JSON.stringify(job));
      assert.ok(Math.abs(events.of('active', id)[0].at - job.processedOn) < 50);
      assert.ok(Math.abs(events.of('completed', id)[0].at - job.finishedOn) < 50);
    }
  },

  'who ran a job is on the job': async (bench) => {
    const { queue, events } = await bench.set();
    const added = await queue.addBulk([returns(1), { name: 'rehearse', data: { act: 'discard' }, opts: ONCE }]);
    await events.ended(added);
    for (const { id } of added) {
      const { processedBy } = await queue.getJob(id);
      assert.ok(processedBy?.length > 0, `${processedBy}`);
    }
  },
};
