// What a client sets for a whole queue: its rate, and how many jobs run at once.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { holds, ids, returns, started } from '../harness/jobs.mjs';

/** The most jobs that ran at the same time. */
function atOnce(events) {
  let now = 0;
  let most = 0;
  for (const { event } of events.seen) {
    if (event === 'active') now += 1;
    if (event === 'completed' || event === 'failed') now -= 1;
    most = Math.max(most, now);
  }
  return most;
}

/** No window of this length holds more starts than that. */
function checkRate(events, most, windowMs) {
  const at = events.of('active').map((event) => event.at);
  for (let i = 0; i + most < at.length; i += 1) {
    const took = at[i + most] - at[i];
    // Windows begin with their first job, so two neighbours may hold twice as many.
    if (i % most === 0) assert.ok(took >= windowMs - 5, `jobs ${i} to ${i + most} within ${took} ms`);
  }
}

export const features = {
  'setGlobalRateLimit: so many in a time': async (bench) => {
    const queue = await bench.queue();
    await queue.setGlobalRateLimit(2, 300);
    const added = await queue.addBulk(Array.from({ length: 6 }, (_, i) => returns(i)));
    const events = await bench.events();
    await bench.work();
    await events.ended(added);
    checkRate(events, 2, 300);
    const active = events.of('active').map((event) => event.at);
    assert.ok(active[5] - active[0] < 5_000, `active at ${active.map((at) => at - active[0])}`);
    assert.deepEqual(started(events), ids(added), 'in their order');
  },

  'setGlobalRateLimit: priorities, retries and delays under the limit': async (bench) => {
    const queue = await bench.queue();
    await queue.setGlobalRateLimit(1, 100);
    const flaky = { name: 'rehearse', data: { act: 'return', failures: 1 }, opts: { attempts: 2, priority: 5 } };
    const added = await queue.addBulk([returns('low', { priority: 9 }), flaky, returns('high', { priority: 1 }),
      returns('late', { delay: 50 })]);
    const events = await bench.events();
    await bench.work();
    await events.ended(added);
    checkRate(events, 1, 100);
    assert.equal(started(events).length, 5);
    const [low, , high] = added;
    const order = started(events);
    assert.ok(order.indexOf(high.id) < order.indexOf(low.id), `${order}`);
  },

  'setGlobalRateLimit: one limit for two workers': async (bench) => {
    const queue = await bench.queue();
    await queue.setGlobalRateLimit(3, 300);
    const events = await bench.events();
    await Promise.all([bench.work(), bench.work()]);
    const added = await queue.addBulk(Array.from({ length: 9 }, (_, i) => returns(i)));
    await events.ended(added);
    checkRate(events, 3, 300);
  },

  'setGlobalRateLimit: taken back while it holds': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.setGlobalRateLimit(1, 1_000);
    assert.deepEqual({ ...(await queue.getGlobalRateLimit()) }, { max: 1, duration: 1_000 });
    const added = await queue.addBulk(Array.from({ length: 20 }, (_, i) => returns(i)));
    await events.until('the first one', () => events.of('completed').length > 0);
    await queue.removeGlobalRateLimit();
    await events.ended(added, 8_000);
    assert.equal(await queue.getGlobalRateLimit(), null);
  },

  'rateLimit: nothing for so long, then all': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const limited = Date.now();
    await queue.rateLimit(3_000);
    const ttl = await queue.getRateLimitTtl();
    assert.ok(ttl > 0 && ttl <= 3_000, `${ttl} ms left`);
    const added = await queue.addBulk([returns(1), returns(2, { priority: 1 }), returns(3)]);
    // The limit is looked at by workers that know of one: those of the queue, or their own.
    await queue.setGlobalRateLimit(100, 1_000);
    await bench.work();
    await events.ended(added);
    const first = events.of('active')[0].at;
    assert.ok(first - limited >= 2_995, `after ${first - limited} ms`);
  },

  'rateLimit: taken back': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.setGlobalRateLimit(100, 1_000);
    await queue.rateLimit(2_000);
    const job = await queue.add('rehearse', { act: 'return' }, { attempts: 1 });
    await queue.removeRateLimitKey();
    await events.ended([job], 8_000);
  },

  'setGlobalConcurrency: so many at once': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.setGlobalConcurrency(1);
    assert.equal(await queue.getGlobalConcurrency(), 1);
    const added = await queue.addBulk(Array.from({ length: 5 }, () => holds(60)));
    await events.ended(added);
    const heard = events.seen.map((event) => event.event).filter((name) => /^(active|completed)$/.test(name));
    assert.deepEqual(heard, Array.from({ length: 5 }, () => ['active', 'completed']).flat());
  },

  'setGlobalConcurrency: over two workers': async (bench) => {
    const queue = await bench.queue();
    await queue.setGlobalConcurrency(3);
    const events = await bench.events();
    await Promise.all([bench.work(), bench.work()]);
    const added = await queue.addBulk(Array.from({ length: 18 }, (_, i) => holds(50, { priority: i % 2 })));
    await events.until('three run', () => events.of('active').length >= 3);
    await events.ended(added);
    assert.equal(atOnce(events), 3);
  },

  'setGlobalConcurrency: retries and delays give their place back': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.setGlobalConcurrency(2);
    const flaky = (i) => ({ name: 'rehearse', data: { act: 'return', failures: 2 }, opts: { attempts: 3, backoff: 20 * i } });
    const added = await queue.addBulk(Array.from({ length: 12 }, (_, i) => flaky(i)));
    await events.ended(added);
    assert.equal((await queue.getJobCounts('active')).active, 0);
    assert.equal((await queue.getJobCounts('completed')).completed, 12);
  },

  'setGlobalConcurrency: taken back while it holds': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.setGlobalConcurrency(1);
    const added = await queue.addBulk(Array.from({ length: 16 }, () => holds(150)));
    await events.until('the first one runs', () => events.of('active').length > 0);
    await queue.removeGlobalConcurrency();
    await eventually('more run', async () => (await queue.getJobCounts('active')).active > 4);
    await events.ended(added);
  },
};
