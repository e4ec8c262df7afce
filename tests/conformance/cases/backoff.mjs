// How long a failed job rests: read from the event stream, whose times are Redis' own.
import assert from 'node:assert/strict';

/** How late a job may start on an idle queue of a busy machine. */
const SLACK_MS = 5_000;
const FAIL = { act: 'fail' };

/** The pauses of one job: as planned (when it is due) and as lived (until it was active again). */
function pauses(events, id) {
  const active = events.of('active', id).map((event) => event.at);
  return events.of('delayed', id).map(({ at, delay }, i) => ({
    planned: Number(delay) - at,
    lived: active[i + 1] - at,
    early: Number(delay) - active[i + 1],
  }));
}

function check(found, expected) {
  assert.equal(found.length, expected.length, `${JSON.stringify(found)} for ${expected}`);
  found.forEach(({ planned, lived, early }, i) => {
    const shown = `pause ${i + 1} of ${JSON.stringify(found)}, expected ${expected}`;
    // The worker reads its clock a moment before Redis stamps the event.
    assert.ok(planned <= expected[i] + 1 && planned >= expected[i] - 100, shown);
    assert.ok(early <= 1, shown);
    assert.ok(lived <= expected[i] + SLACK_MS, shown);
  });
}

async function failing(bench, opts, jobs = 1) {
  const { queue, events } = await bench.set();
  const wishes = Array.from({ length: jobs }, () => ({ name: 'rehearse', data: FAIL, opts }));
  const added = await queue.addBulk(wishes);
  await events.ended(added);
  for (const { id } of added) {
    assert.equal(events.of('active', id).length, opts.attempts);
    assert.equal((await queue.getJob(id)).attemptsMade, opts.attempts);
  }
  return added.map(({ id }) => ({ id, pauses: pauses(events, id), events }));
}

export const features = {
  'fixed, as an object and as a number': async (bench) => {
    const { queue, events } = await bench.set();
    const added = await Promise.all(
      [{ type: 'fixed', delay: 200 }, 200].map((backoff) =>
        queue.add('rehearse', FAIL, { attempts: 4, backoff }),
      ),
    );
    await events.ended(added);
    for (const { id } of added) check(pauses(events, id), [200, 200, 200]);
  },

  exponential: async (bench) => {
    const backoff = { type: 'exponential', delay: 100 };
    const [job] = await failing(bench, { attempts: 5, backoff });
    check(job.pauses, [100, 200, 400, 800]);
  },

  'jitter spreads fixed pauses between (1 − jitter) × delay and delay': async (bench) => {
    const backoff = { type: 'fixed', delay: 400, jitter: 0.5 };
    const jobs = await failing(bench, { attempts: 2, backoff }, 30);
    const planned = jobs.map((job) => job.pauses[0].planned);
    for (const { pauses: [pause] } of jobs) {
      assert.ok(pause.planned >= 100 && pause.planned <= 401, `planned ${planned}`);
      assert.ok(pause.early <= 1, `early by ${pause.early} ms`);
    }
    assert.ok(Math.max(...planned) - Math.min(...planned) > 40, `not spread: ${planned}`);
  },

  'jitter spreads exponential pauses': async (bench) => {
    const backoff = { type: 'exponential', delay: 200, jitter: 1 };
    const jobs = await failing(bench, { attempts: 3, backoff }, 30);
    for (const [at, most] of [[0, 200], [1, 400]]) {
      // A pause of zero is no pause: such a job has one event less.
      const planned = jobs.map((job) => job.pauses[at]?.planned ?? 0);
      assert.ok(planned.every((ms) => ms >= -100 && ms <= most + 1), `planned ${planned}`);
      assert.ok(Math.max(...planned) - Math.min(...planned) > most / 4, `not spread: ${planned}`);
    }
  },

  'none: again at once': async (bench) => {
    const [job] = await failing(bench, { attempts: 4 });
    assert.deepEqual(job.pauses, []);
    const active = job.events.of('active', job.id).map((event) => event.at);
    assert.ok(active[3] - active[0] < SLACK_MS, `active at ${active}`);
    const waiting = job.events.of('waiting', job.id).map((event) => event.prev);
    assert.deepEqual(waiting.slice(1), ['active', 'active', 'active']);
  },

  'none: behind the jobs that wait already, and before them with lifo': async (bench) => {
    const queue = await bench.queue();
    const [first, second] = await queue.addBulk([
      { name: 'rehearse', data: { act: 'return', failures: 1 }, opts: { attempts: 2 } },
      { name: 'rehearse', data: { act: 'return' }, opts: { attempts: 1 } },
    ]);
    const third = await queue.add('rehearse', { act: 'return', failures: 1 }, { attempts: 2, lifo: true });
    const events = await bench.events();
    await bench.work({ slots: 1 });
    await events.ended([first, second, third]);
    const order = events.of('active').map((event) => event.jobId);
    assert.deepEqual(order, [third.id, third.id, first.id, second.id, first.id]);
  },

  'a prioritized job keeps its place after a pause': async (bench) => {
    const queue = await bench.queue();
    const events = await bench.events();
    const opts = { attempts: 2, backoff: 250, priority: 1 };
    const job = await queue.add('rehearse', { act: 'return', failures: 1 }, opts);
    const others = await queue.addBulk(
      Array.from({ length: 8 }, () => ({
        name: 'rehearse',
        data: { act: 'steps', steps: 1, stepMs: 100 },
        opts: { attempts: 1, priority: 9 },
      })),
    );
    await bench.work({ slots: 1 });
    await events.ended([job, ...others]);
    const order = events.of('active').map((event) => event.jobId);
    const again = order.lastIndexOf(job.id);
    assert.equal(order[0], job.id);
    assert.ok(again > 1 && again < 7, `ran again as number ${again + 1} of ${order}`);
  },
};
