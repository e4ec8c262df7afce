// How long a job waits for an idle worker.
import { Queue, connect } from './clients.mjs';
import { PAYLOAD, QUEUE } from './sides.mjs';

const SLOTS = 10;
const JOBS = 500;
const EVERY_MS = 20;
/** Not measured: connections and caches warm up. */
const WARM_UP = 25;

export async function latency(bench, side) {
  const { client, connection } = bench.redis;
  await client.flushall();
  const queue = new Queue(QUEUE, { connection });
  const worker = await side(bench, SLOTS);
  const listener = connect(connection);
  const picked = new Map();
  const listening = listen(listener, (id) => picked.set(id, performance.now()));
  const added = [];
  for (let number = 0; number < WARM_UP + JOBS; number += 1) {
    const at = performance.now();
    const id = `job-${number}`;
    await queue.add('rehearse', PAYLOAD, { jobId: id });
    if (number >= WARM_UP) added.push({ id, at });
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, EVERY_MS - (performance.now() - at))));
  }
  while (added.some(({ id }) => !picked.has(id))) await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  listener.disconnect();
  await listening;
  await worker.stop();
  await queue.close();
  const waits = added.map(({ id, at }) => picked.get(id) - at).sort((a, b) => a - b);
  const share = (part) => waits[Math.ceil(waits.length * part) - 1];
  return { p50: share(0.5), p99: share(0.99), max: share(1) };
}

/** Tells every job that becomes active, until the connection ends. */
async function listen(redis, active) {
  let last = '$';
  try {
    for (;;) {
      const [[, entries]] = await redis.xread('BLOCK', 0, 'STREAMS', `bull:${QUEUE}:events`, last);
      for (const [id, fields] of entries) {
        last = id;
        if (fields[1] === 'active') active(fields[3]);
      }
    }
  } catch (error) {
    if (!/closed/i.test(error.message)) throw error;
  }
}
