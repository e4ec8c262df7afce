// What clients hear through QueueEvents while another process does the work.
import assert from 'node:assert/strict';

export const features = {
  'a job that completes: waiting, active, progress, completed, drained': async (bench) => {
    const { queue, events } = await bench.set();
    const data = { act: 'steps', steps: 3, stepMs: 20 };
    const { id } = await queue.add('rehearse', data, { attempts: 1 });
    await events.until('the queue is drained', () => events.of('drained').length > 0);
    const names = events.seen.filter((event) => event.jobId === id).map((event) => event.event);
    const heard = names.filter((name) => name !== 'progress');
    assert.deepEqual(heard, ['added', 'waiting', 'active', 'completed']);
    const [completed] = events.of('completed', id);
    assert.deepEqual(completed.returnvalue, { steps: 3, resumedAt: 0 });
    assert.equal(completed.prev, 'active');
    assert.deepEqual(events.of('progress', id).at(-1).data, { step: 3, of: 3 });
    const last = names.lastIndexOf('progress');
    assert.ok(last > names.indexOf('active') && last < names.indexOf('completed'), `${names}`);
  },

  'return values of every JSON type arrive as they are': async (bench) => {
    const { queue, events } = await bench.set();
    const texts = ['', 'text', '"quoted"', '42'];
    const values = [0, -1.5, 9007199254740991, ...texts, true, false, [], [1, [2]], {}, { a: { b: null } }];
    const added = await queue.addBulk(
      values.map((value) => ({ name: 'rehearse', data: { act: 'return', value }, opts: { attempts: 1 } })),
    );
    await events.ended(added);
    for (const [i, { id }] of added.entries()) {
      assert.deepEqual(events.of('completed', id)[0].returnvalue, values[i]);
      assert.deepEqual((await queue.getJob(id)).returnvalue, values[i]);
    }
  },

  'no return value is null': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'return' }, { attempts: 1 });
    await events.ended([job]);
    assert.equal((await queue.getJob(job.id)).returnvalue, null);
    assert.equal(events.of('completed', job.id)[0].returnvalue, null);
  },

  'a job that fails: delayed, failed with its reason, retries-exhausted': async (bench) => {
    const { queue, events } = await bench.set();
    const data = { act: 'fail', message: 'no luck' };
    const { id } = await queue.add('rehearse', data, { attempts: 2, backoff: 50 });
    await events.until('the attempts are exhausted', () => events.of('retries-exhausted', id).length > 0);
    const heard = events.seen.filter((event) => event.jobId === id).map((event) => event.event);
    const expected = ['added', 'waiting', 'active', 'delayed', 'waiting', 'active', 'failed', 'retries-exhausted'];
    assert.deepEqual([...heard].sort(), [...expected].sort());
    assert.deepEqual(heard.filter((name) => !/failed|exhausted/.test(name)), expected.slice(0, 6));
    assert.equal(events.of('failed', id)[0].failedReason, 'no luck');
    assert.equal(events.of('failed', id)[0].prev, 'active');
    assert.equal(events.of('retries-exhausted', id)[0].attemptsMade, '2');
  },

  'a delayed job: delayed, then waiting from delayed': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'return' }, { attempts: 1, delay: 100 });
    await events.ended([job]);
    const heard = events.seen.filter((event) => event.jobId === job.id);
    assert.deepEqual(heard.map((event) => event.event), ['added', 'delayed', 'waiting', 'active', 'completed']);
    assert.equal(Number(heard[1].delay), job.timestamp + 100);
    assert.equal(heard[2].prev, 'delayed');
  },

  'waitUntilFinished resolves with the value and rejects with the reason': async (bench) => {
    const { queue, events } = await bench.set();
    const [good, bad, dead, thousandth] = await queue.addBulk([
      { name: 'rehearse', data: { act: 'return', value: { ok: 1 }, failures: 1 }, opts: { attempts: 2 } },
      { name: 'rehearse', data: { act: 'fail', message: 'no luck' }, opts: { attempts: 2 } },
      { name: 'rehearse', data: { act: 'panic' }, opts: { attempts: 1 } },
      { name: 'rehearse', data: { act: 'return', value: 'late' }, opts: { attempts: 1, delay: 50 } },
    ]);
    const wait = (job) => job.waitUntilFinished(events.events, 15_000);
    assert.deepEqual(await wait(good), { ok: 1 });
    await assert.rejects(wait(bad), { message: 'no luck' });
    await assert.rejects(wait(dead), { message: /^panicked: panics as asked/ });
    assert.equal(await wait(thousandth), 'late');
    assert.deepEqual(await wait(good), { ok: 1 }, 'also when it has ended already');
  },

  'waitUntilFinished of jobs that are not kept': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { attempts: 1, delay: 300, removeOnComplete: true, removeOnFail: true };
    const [good, bad] = await queue.addBulk([
      { name: 'rehearse', data: { act: 'return', value: 1 }, opts },
      { name: 'rehearse', data: { act: 'fail', message: 'no luck' }, opts },
    ]);
    const [value] = await Promise.all([
      good.waitUntilFinished(events.events, 15_000),
      assert.rejects(bad.waitUntilFinished(events.events, 15_000), { message: 'no luck' }),
    ]);
    assert.equal(value, 1);
  },

  'a postponed job comes back without losing an attempt': async (bench) => {
    const { queue, events } = await bench.set();
    const job = await queue.add('rehearse', { act: 'postpone', afterMs: 150 }, { attempts: 1 });
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(ended.returnvalue, 'came back');
    assert.equal(ended.attemptsMade, 1);
    assert.equal(ended.attemptsStarted, 2);
    const [delayed] = events.of('delayed', job.id);
    const again = events.of('active', job.id)[1];
    assert.ok(again.at >= Number(delayed.delay) - 1);
    assert.ok(ended.processedOn - job.timestamp >= 150);
  },
};
