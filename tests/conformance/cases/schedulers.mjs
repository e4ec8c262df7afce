// Job schedulers: the client makes the first job of a schedule, the worker all that follow. One that a busy machine
// runs too late takes the place of those that were due meanwhile.
import assert from 'node:assert/strict';
import { eventually } from '../harness/deadline.mjs';
import { ONCE, holds, ids, returns, started } from '../harness/jobs.mjs';

const TICK = returns('tick');

/** Waits for so many runs, and then until the schedule has had time for one more. */
async function runs(events, count, restMs = 0) {
  await events.until(`${count} runs`, () => events.of('completed').length >= count);
  const until = Date.now() + restMs;
  await eventually('the time for another one', () => Date.now() > until);
  return events.of('completed');
}

/** When each job of a schedule was due: its id says so. */
const due = (events) => events.of('active').map(({ jobId }) => Number(jobId.split(':').at(-1)));

/** The hour and minute of a time, in a zone. */
function clock(time, timeZone) {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return format.format(time);
}

export const features = {
  'every: at its pace, each time once': async (bench) => {
    const { queue, events } = await bench.set();
    const first = await queue.upsertJobScheduler('ticks', { every: 200 }, TICK);
    await runs(events, 5);
    await queue.removeJobScheduler('ticks');
    const times = due(events);
    assert.equal(started(events)[0], first.id);
    assert.equal(new Set(times).size, times.length);
    times.slice(1).forEach((time, i) => assert.equal((time - times[i]) % 200, 0, `due at ${times}`));
    const active = events.of('active').map((event) => event.at);
    active.forEach((at, i) => assert.ok(at >= times[i] - 1, `run ${i} was ${times[i] - at} ms early`));
    assert.ok(active[4] - active[0] >= 600, `active at ${active}`);
    assert.ok(events.of('completed').every((run) => run.returnvalue === 'tick'));
  },

  'limit: so many runs and no more': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.upsertJobScheduler('ticks', { every: 100, limit: 3 }, TICK);
    assert.equal((await runs(events, 3, 400)).length, 3);
    assert.equal(await queue.getDelayedCount(), 0);
  },

  'endDate: none after it': async (bench) => {
    const { queue, events } = await bench.set();
    const endDate = Date.now() + 700;
    await queue.upsertJobScheduler('ticks', { every: 200, endDate }, TICK);
    const done = await runs(events, 3, 900);
    assert.ok(done.length <= 5, `${done.length} runs`);
    // The job that was planned before the end still runs.
    assert.ok(due(events).every((time) => time <= endDate + 200));
    assert.equal(await queue.getDelayedCount(), 0);
  },

  'startDate: none before it': async (bench) => {
    const { queue, events } = await bench.set();
    const startDate = Date.now() + 500;
    await queue.upsertJobScheduler('ticks', { every: 400, startDate, limit: 2 }, TICK);
    await runs(events, 2);
    assert.ok(events.of('active')[0].at >= startDate - 1);
    const [one, two] = due(events);
    assert.equal(one, startDate);
    assert.ok(two > one && (two - one) % 400 === 0, `due at ${one}, ${two}`);
  },

  'a schedule whose worker was away fires once, and goes on in step': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const first = await queue.upsertJobScheduler('ticks', { every: 500 }, TICK);
    await eventually('four firings are missed', () => Date.now() > first.timestamp + 2_100);
    await bench.work();
    await runs(events, 3);
    await queue.removeJobScheduler('ticks');
    const [one, two, three] = due(events);
    const active = events.of('active').map((event) => event.at);
    assert.ok(two > active[0], `due at ${due(events)}, active at ${active}`);
    assert.equal((two - one) % 500, 0, 'in step');
    assert.ok(three > two && (three - two) % 500 === 0, `due at ${due(events)}`);
  },

  'cron: every second, on the second': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.upsertJobScheduler('ticks', { pattern: '* * * * * *' }, TICK);
    await runs(events, 2);
    await queue.removeJobScheduler('ticks');
    const [one, two] = due(events);
    assert.equal(one % 1000, 0);
    assert.ok(two > one && (two - one) % 1000 === 0, `due at ${one}, ${two}`);
  },

  'cron with a time zone: the next time is in that zone': async (bench) => {
    const { queue, events } = await bench.set();
    const zones = { nepal: 'Asia/Kathmandu', york: 'America/New_York', berlin: 'Europe/Berlin' };
    for (const [id, tz] of Object.entries(zones)) {
      await queue.upsertJobScheduler(id, { pattern: '0 30 9 * * *', tz, immediately: true }, TICK);
    }
    await runs(events, 3);
    for (const [id, tz] of Object.entries(zones)) {
      const { next } = await queue.getJobScheduler(id);
      assert.equal(clock(next, tz), '09:30:00', tz);
      assert.ok(next > Date.now() && next - Date.now() <= 25 * 3_600_000);
      const job = await queue.getJob(`repeat:${id}:${next}`);
      assert.equal(await job.getState(), 'delayed');
      assert.ok(Math.abs(job.timestamp + job.delay - next) <= 1);
    }
  },

  'cron patterns of every kind give the next time that BullMQ gives': async (bench) => {
    const { queue, events } = await bench.set();
    const patterns = [
      ...['*/15 * * * *', '0 0 1 * *', '0 9-17/2 * * 1-5', '30 4 1,15 * 5', '0 0 * * 7', '0 0 29 2 *'],
      ...['0 12 * JAN,JUL *', '5 4 * * SUN', '0 0 L * *', '0 0 * * 5L', '0 0 * * 1#2', '@daily', '@hourly'],
    ];
    const plan = (one, i, options) => one.upsertJobScheduler(`s${i}`, { pattern: patterns[i], ...options }, TICK);
    const tz = 'America/New_York';
    await Promise.all(patterns.map((_, i) => plan(queue, i, { tz, immediately: true })));
    // What a client would plan itself, asked on a queue that nobody serves, before and after.
    const asked = await bench.queue('asked');
    const answers = async (one) => (await one.getJobSchedulers()).map(({ key, next }) => [key, new Date(next)]);
    await Promise.all(patterns.map((_, i) => plan(asked, i, { tz })));
    const before = Object.fromEntries(await answers(asked));
    await runs(events, patterns.length);
    await Promise.all(patterns.map((_, i) => plan(asked, i, { tz })));
    const after = Object.fromEntries(await answers(asked));
    const planned = await answers(queue);
    assert.equal(planned.length, patterns.length);
    for (const [id, next] of planned) {
      const fits = [before[id], after[id]].some((time) => time.getTime() === next.getTime());
      assert.ok(fits, `${patterns[id.slice(1)]}: ${next.toISOString()}, not ${after[id].toISOString()}`);
    }
  },

  'immediately: the first run is now, the next one on time': async (bench) => {
    const { queue, events } = await bench.set();
    const before = Date.now();
    await queue.upsertJobScheduler('ticks', { pattern: '0 0 0 1 1 *', immediately: true }, TICK);
    const [run] = await runs(events, 1);
    assert.ok(run.at - before < 5_000);
    const { next } = await queue.getJobScheduler('ticks');
    assert.equal(new Date(next).getMonth(), 0);
    assert.equal(await queue.getDelayedCount(), 1);
  },

  'a schedule that is removed while its job runs ends with it': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.upsertJobScheduler('ticks', { every: 150 }, holds(400));
    await events.until('it runs', () => events.of('active').length > 0);
    await queue.removeJobScheduler('ticks');
    await runs(events, 1, 500);
    const before = events.of('active').length;
    assert.ok(before <= 2, `${before} runs`);
    assert.equal(await queue.getJobSchedulersCount(), 0);
    assert.equal(await queue.getDelayedCount(), 0);
  },

  'two workers: one firing each time': async (bench) => {
    const { queue, events } = await bench.set();
    await bench.work();
    await queue.upsertJobScheduler('ticks', { every: 50, limit: 20 }, TICK);
    await runs(events, 20, 200);
    const times = due(events);
    assert.equal(times.length, 20);
    assert.equal(new Set(times).size, 20);
    times.slice(1).forEach((time, i) => assert.ok(time - times[i] >= 50, `due at ${times}`));
  },

  'a schedule whose job fails goes on': async (bench) => {
    const { queue, events } = await bench.set();
    const template = { name: 'rehearse', data: { act: 'discard' }, opts: ONCE };
    await queue.upsertJobScheduler('ticks', { every: 100, limit: 3 }, template);
    await events.until('three fail', () => events.of('failed').length === 3);
  },

  'a job of a schedule that is retried plans one next job': async (bench) => {
    const { queue, events } = await bench.set();
    const template = { name: 'rehearse', data: { act: 'return', failures: 1 }, opts: { attempts: 2, backoff: 50 } };
    await queue.upsertJobScheduler('ticks', { every: 400, limit: 2 }, template);
    await runs(events, 2, 500);
    const order = started(events);
    assert.equal(order.length, 4, `${order}`);
    assert.equal(new Set(order).size, 2);
  },

  'a new template and a new pace count from the next job on': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.upsertJobScheduler('ticks', { every: 3_600_000 }, TICK);
    await runs(events, 1);
    await queue.upsertJobScheduler('ticks', { every: 100, limit: 3 }, returns('tock'));
    await events.until('new ones', () => events.of('completed').filter((run) => run.returnvalue === 'tock').length >= 2);
    assert.equal(await queue.getJobSchedulersCount(), 1);
  },

  'the template is on every job: options, data, telemetry': async (bench) => {
    const { queue, events } = await bench.set();
    const opts = { ...ONCE, priority: 7, removeOnComplete: 10, keepLogs: 3, telemetry: { metadata: 'trace-1' } };
    const template = { name: 'rehearse', data: { act: 'return', value: { текст: '🎸' } }, opts };
    await queue.upsertJobScheduler('ticks', { every: 100, limit: 3 }, template);
    await runs(events, 3);
    for (const id of started(events)) {
      const job = await queue.getJob(id);
      assert.deepEqual(job.returnvalue, { текст: '🎸' });
      assert.equal(job.priority, 7);
      assert.equal(job.repeatJobKey, 'ticks');
      assert.deepEqual({ ...job.opts, ...opts }, job.opts, JSON.stringify(job.opts));
    }
  },

  'what a client asks about a schedule is true while it runs': async (bench) => {
    const { queue, events } = await bench.set();
    await queue.upsertJobScheduler('ticks', { every: 300 }, TICK);
    await runs(events, 3);
    const seen = await queue.getJobScheduler('ticks');
    assert.equal(seen.key, 'ticks');
    assert.equal(seen.every, 300);
    assert.ok(seen.iterationCount >= 3, JSON.stringify(seen));
    assert.ok(seen.next > due(events)[2]);
    await eventually('the next job is the one that the schedule names', async () => {
      const [{ key, next }] = await queue.getJobSchedulers();
      return key === 'ticks' && ids(await queue.getDelayed()).join() === `repeat:ticks:${next}`;
    });
  },
};
