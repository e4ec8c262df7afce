// Repeatable jobs, which BullMQ 5 had before it had job schedulers; web tiers still have them.
import assert from 'node:assert/strict';
import { started } from '../harness/jobs.mjs';

export const notFor = {
  6: 'BullMQ 6 has job schedulers only',
  python: 'BullMQ for Python has job schedulers only',
};

const DATA = { act: 'return', value: 'tick' };

export const features = {
  'every: at its pace, so many times': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.add('rehearse', DATA, { attempts: 1, repeat: { every: 200, limit: 3 } });
    await events.until('three runs', () => events.of('completed').length === 3);
    const order = started(events);
    assert.equal(new Set(order).size, 3);
    const times = order.map((id) => Number(id.split(':').at(-1)));
    // A worker that comes late leaves firings out, and keeps the pace.
    times.slice(1).forEach((time, i) => assert.equal((time - times[i]) % 200, 0, `due at ${times}`));
  },

  'cron with a time zone': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.add('rehearse', DATA, { attempts: 1, repeat: { pattern: '* * * * * *', tz: 'Asia/Kathmandu' } });
    await events.until('two runs', () => events.of('completed').length >= 2);
    const [{ key }] = await queue.getRepeatableJobs();
    await queue.removeRepeatableByKey(key);
    const [one, two] = started(events).map((id) => Number(id.split(':').at(-1)));
    assert.equal(one % 1000, 0);
    assert.equal(two - one, 1000);
  },
};
