// `roadie enqueue` as the producer, BullMQ's own workers as the consumers.
import assert from 'node:assert/strict';
import { within } from '../harness/deadline.mjs';
import { toDo } from '../harness/jobs.mjs';

/** A BullMQ worker that answers the jobs that it was given. */
function consumer(bench, queue, run = () => ({ seen: true })) {
  const jobs = [];
  const worker = new bench.bullmq.Worker(
    queue,
    async (job) => {
      // As it is now: the client changes it when it ends.
      jobs.push({ ...job });
      return run(job);
    },
    { ...bench.options(), concurrency: 1 },
  );
  bench.onClose(() => worker.close());
  return { worker, jobs };
}

async function enqueue(bench, ...args) {
  const { code, output, stdout } = await bench.cli('enqueue', ...args);
  assert.equal(code, 0, output);
  return stdout;
}

export const direction = 'our producer, their worker';
export const notFor = { node: "the worker is BullMQ's in any case" };

export const features = {
  'kind, payload and options are what the worker sees': async (bench) => {
    const payload = { userId: 7, текст: 'Żółć 🎸', nested: { list: [1, null, 0.5] } };
    const before = Date.now();
    const id = await enqueue(
      ...[bench, 'mail', 'send-letter', JSON.stringify(payload)],
      ...['--priority', '7', '--delay', '200ms', '--attempts', '4', '--job-id', 'letter-1'],
    );
    const after = Date.now();
    assert.equal(id, 'letter-1');
    const queue = await bench.queue('mail');
    const events = await bench.events('mail');
    const { jobs } = consumer(bench, 'mail');
    await events.ended([{ id }]);
    const [job] = jobs;
    assert.equal(jobs.length, 1);
    assert.equal(job.id, 'letter-1');
    assert.equal(job.name, 'send-letter');
    assert.deepEqual(job.data, payload);
    assert.equal(job.priority, 7);
    assert.equal(job.opts.priority, 7);
    assert.equal(job.opts.delay, 200);
    assert.equal(job.opts.attempts, 4);
    assert.ok(job.timestamp >= before && job.timestamp <= after, `${before} ${job.timestamp} ${after}`);
    assert.ok(job.processedOn >= job.timestamp + 199, 'not before its delay');
    const ended = await queue.getJob(id);
    assert.deepEqual(ended.returnvalue, { seen: true });
    assert.equal(ended.attemptsMade, 1);
  },

  'without options a job is as plain as one of BullMQ': async (bench) => {
    const id = await enqueue(bench, 'mail', 'send-letter', '{"n":1}');
    const queue = await bench.queue('mail');
    const theirs = await queue.add('send-letter', { n: 1 });
    assert.equal(Number(theirs.id), Number(id) + 1, 'ids come from the same counter');
    const events = await bench.events('mail');
    const { jobs } = consumer(bench, 'mail');
    await events.ended([{ id }, theirs]);
    const [a, b] = jobs;
    assert.equal(a.id, id);
    const state = ['attemptsMade', 'attemptsStarted', 'progress', 'stacktrace', 'parentKey'];
    for (const field of ['name', 'data', 'priority', 'delay', ...state]) {
      assert.deepEqual(a[field], b[field], field);
    }
  },

  'an id that is enqueued twice runs once, also when BullMQ adds it': async (bench) => {
    for (let i = 0; i < 2; i += 1) {
      assert.equal(await enqueue(bench, 'mail', 'send-letter', `{"n":${i}}`, '--job-id', 'once'), 'once');
    }
    const queue = await bench.queue('mail');
    await queue.add('send-letter', { n: 2 }, { jobId: 'once' });
    const last = await queue.add('send-letter', { n: 3 });
    const events = await bench.events('mail');
    const { jobs } = consumer(bench, 'mail');
    await events.ended([{ id: 'once' }, last]);
    assert.deepEqual(jobs.map((job) => job.data.n), [0, 3]);
  },

  'priorities by name and number are in one order with those of BullMQ': async (bench) => {
    const queue = await bench.queue('mail');
    for (const priority of ['low', '2097151', 'high', '0', 'normal']) {
      await enqueue(bench, 'mail', 'send-letter', JSON.stringify(priority), '--priority', priority);
    }
    await queue.addBulk([5, 50].map((priority) => ({ name: 'send-letter', data: priority, opts: { priority } })));
    const events = await bench.events('mail');
    const { jobs } = consumer(bench, 'mail');
    await events.until('all end', () => events.of('completed').length === 7);
    assert.deepEqual(jobs.map((job) => job.data), ['0', 'high', 5, 'normal', 50, 'low', '2097151']);
  },

  'a priority that BullMQ refuses is refused': async (bench) => {
    const queue = await bench.queue('mail');
    await assert.rejects(queue.add('send-letter', {}, { priority: 2_097_152 }));
    const { code } = await bench.cli('enqueue', 'mail', 'send-letter', '{}', '--priority', '2097152');
    assert.equal(code, 2);
    assert.equal(await toDo(queue), 0);
  },

  'a follow-up that a handler adds is what the worker sees': async (bench) => {
    const [queue, events] = await Promise.all([bench.queue('mail'), bench.events('mail'), bench.work({ worker: 'roadie' })]);
    const { jobs } = consumer(bench, 'mail');
    const ours = await bench.queue();
    const letter = { queue: 'mail', kind: 'send-letter', payload: { userId: 7, текст: '🎸' }, id: 'letter-7' };
    // Twice, as a handler does that is run again.
    for (let i = 0; i < 2; i += 1) await ours.add('rehearse', { act: 'followUp', ...letter, delayMs: 150 }, { attempts: 1 });
    await events.ended([{ id: 'letter-7' }]);
    assert.equal(jobs.length, 1);
    assert.equal(jobs[0].name, 'send-letter');
    assert.deepEqual(jobs[0].data, letter.payload);
    assert.equal(jobs[0].opts.delay, 150);
    const ended = await queue.getJob('letter-7');
    assert.ok(ended.processedOn - ended.timestamp >= 149);
  },

  'a follow-up whose id holds a colon, which the clients refuse: run, retried and found': async (bench) => {
    const [queue, events] = await Promise.all([bench.queue('mail'), bench.events('mail'), bench.work({ worker: 'roadie' })]);
    const { jobs } = consumer(bench, 'mail', (job) => {
      if (job.data.fails) throw new Error('no such address');
      return 'sent';
    });
    const ours = await bench.queue();
    for (const fails of [false, true]) {
      const letter = { queue: 'mail', kind: 'send-letter', payload: { fails }, id: `letter:${fails}`, delayMs: 0 };
      await ours.add('rehearse', { act: 'followUp', ...letter }, { attempts: 1 });
    }
    await events.ended([{ id: 'letter:false' }, { id: 'letter:true' }]);
    assert.equal((await queue.getJob('letter:false')).returnvalue, 'sent');
    const failed = await queue.getJob('letter:true');
    assert.equal(failed.failedReason, 'no such address');
    await failed.retry();
    await events.until('it fails again', () => events.of('failed', 'letter:true').length === 2);
    assert.equal(jobs.length, 3);
  },

  'children that a handler adds are run by a BullMQ worker, and the handler goes on': async (bench) => {
    const [queue, events] = await Promise.all([bench.queue(), bench.events(), bench.work({ worker: 'roadie' })]);
    const { jobs } = consumer(bench, 'mail', (job) => {
      if (job.data.fails) throw new Error('no such address');
      return { sent: job.data.act };
    });
    const children = [{ act: 'a' }, { act: 'b', fails: true }, { act: 'c' }];
    const parent = await queue.add('rehearse', { act: 'children', queue: 'mail', children }, { attempts: 1 });
    await events.ended([parent]);
    assert.equal(jobs.length, 3);
    const { completed, failed } = (await queue.getJob(parent.id)).returnvalue;
    assert.deepEqual(completed, [{ sent: 'a' }, { sent: 'c' }]);
    assert.deepEqual(failed, ['no such address']);
  },

  'attempts hold with a BullMQ worker': async (bench) => {
    const { jobs } = consumer(bench, 'mail', (job) => {
      throw new Error(`attempt ${job.attemptsMade + 1}`);
    });
    const events = await bench.events('mail');
    const id = await enqueue(bench, 'mail', 'send-letter', '{}', '--attempts', '3');
    await events.ended([{ id }]);
    assert.equal(jobs.length, 3);
    assert.equal(events.of('failed', id)[0].failedReason, 'attempt 3');
  },

  '--watch stays until the job has ended and says how': async (bench) => {
    consumer(bench, 'mail', (job) => {
      if (job.data.fail) throw new Error('no such address');
      return { sent: 'today' };
    });
    const watch = (data) => {
      const job = ['mail', 'send-letter', JSON.stringify(data), '--attempts', '1'];
      return within(bench.cli('enqueue', ...job, '--watch'), 'the end of the job');
    };
    const [good, bad] = await Promise.all([watch({}), watch({ fail: true })]);
    assert.equal(good.code, 0, good.output);
    assert.equal(bad.code, 1, bad.output);
    assert.match(bad.output, /no such address/);
  },
};
