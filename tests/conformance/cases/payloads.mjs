// What producers put into jobs: large, foreign, wrong.
import assert from 'node:assert/strict';

const ONCE = { attempts: 1 };
const UNICODE = { текст: 'Żółć 🎸\u0000\u2028"\\', list: ['日本', 'ñ', '\ud83c\udfb8'], n: 1e21 };

async function returned(bench, value, opts = ONCE) {
  const { queue, events } = await bench.set();
  const job = await queue.add('rehearse', { act: 'return', value }, opts);
  await events.ended([job]);
  const ended = await queue.getJob(job.id);
  assert.deepEqual(ended.data.value, value, 'the payload is untouched');
  return { job: ended, event: events.of('completed', job.id)[0] };
}

export const features = {
  'a payload and a value of 1 MB': async (bench) => {
    const value = 'x'.repeat(1024 * 1024);
    const { job, event } = await returned(bench, value);
    assert.equal(job.returnvalue, value);
    assert.equal(event.returnvalue, value);
  },

  'unicode in payload, value, job id and reason': async (bench) => {
    const { job } = await returned(bench, UNICODE, { ...ONCE, jobId: 'żółć-🎸' });
    assert.deepEqual(job.returnvalue, UNICODE);
    const queue = await bench.queue();
    const events = await bench.events();
    const failing = await queue.add('rehearse', { act: 'fail', message: UNICODE.текст }, ONCE);
    await events.ended([failing]);
    assert.equal((await queue.getJob(failing.id)).failedReason, UNICODE.текст);
    assert.equal(events.of('failed', failing.id)[0].failedReason, UNICODE.текст);
  },

  'a prefix in braces, as Clusters need it': async (bench) => {
    bench.prefix = `{${bench.prefix}}`;
    const { job } = await returned(bench, { a: 1 });
    assert.deepEqual(job.returnvalue, { a: 1 });
  },

  'a long reason is cut, not lost': async (bench) => {
    const { queue, events } = await bench.set();
    const message = `start ${'é'.repeat(100_000)}`;
    const job = await queue.add('rehearse', { act: 'fail', message }, ONCE);
    await events.ended([job]);
    const { failedReason } = await queue.getJob(job.id);
    assert.ok(failedReason.startsWith('start ééé') && message.startsWith(failedReason));
  },

  'a kind that the worker does not know is failed with its name': async (bench) => {
    const { queue, events } = await bench.set();
    const kinds = ['репетиция 🎸', 'Rehearse', ''];
    const added = await Promise.all(kinds.map((kind) => queue.add(kind, {}, { attempts: 3 })));
    await events.ended(added);
    for (const [i, { id }] of added.entries()) {
      const job = await queue.getJob(id);
      assert.equal(job.name, kinds[i]);
      assert.equal(job.attemptsMade, 1, 'no use in trying again');
      assert.ok(job.failedReason.includes(`no handler for kind \`${kinds[i]}\``), job.failedReason);
    }
  },

  'a payload that does not decode is failed, and names the field': async (bench) => {
    const { queue, events } = await bench.set();
    const payloads = [{ act: 'steps', steps: 'many', stepMs: 1 }, { act: 'juggle' }, {}, null, 'text', 7, []];
    const added = await Promise.all(payloads.map((data) => queue.add('rehearse', data, { attempts: 3 })));
    const good = await queue.add('rehearse', { act: 'return', unknown: { field: 1 } }, ONCE);
    await events.ended([...added, good]);
    for (const { id } of added) {
      const job = await queue.getJob(id);
      assert.equal(await job.getState(), 'failed', JSON.stringify(job.data));
      assert.equal(job.attemptsMade, 1, `${JSON.stringify(job.data)}: ${job.failedReason}`);
    }
    assert.equal(await (await queue.getJob(good.id)).getState(), 'completed');
    if (bench.worker === 'roadie') {
      assert.match((await queue.getJob(added[0].id)).failedReason, /steps|invalid type/);
      assert.match((await queue.getJob(added[1].id)).failedReason, /juggle/);
    }
  },
};
