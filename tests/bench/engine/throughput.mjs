// Jobs per second, and what one costs.
import { Queue } from './clients.mjs';
import { cpuOf, memoryOf } from './processes.mjs';
import { PAYLOAD, QUEUE } from './sides.mjs';

const FROM = 0.1;
const TO = 0.95;
const LOOK_EVERY_MS = 5;
const AT_ONCE = 1_000;

export async function throughput(bench, side, { processes, slots, jobs }) {
  const { client, connection } = bench.redis;
  await client.flushall();
  const queue = new Queue(QUEUE, { connection });
  await queue.pause();
  for (let loaded = 0; loaded < jobs; loaded += AT_ONCE) {
    await queue.addBulk(Array.from({ length: AT_ONCE }, () => ({ name: 'rehearse', data: PAYLOAD })));
  }
  const workers = await Promise.all(Array.from({ length: processes }, () => side(bench, slots)));
  const sample = async (done) => ({
    done,
    at: performance.now(),
    redis: await bench.redis.cpu(),
    workers: workers.reduce((sum, worker) => sum + cpuOf(worker.pid), 0),
  });
  const reached = async (part) => {
    for (;;) {
      const done = await client.zcard(`bull:${QUEUE}:completed`);
      if (done >= part * jobs) return sample(done);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  };
  await queue.resume();
  const first = await reached(FROM);
  const last = await reached(TO);
  const memory = memoryOf(workers[0].pid);
  await Promise.all(workers.map((worker) => worker.stop()));
  await queue.close();
  const done = last.done - first.done;
  return {
    rate: (done * 1_000) / (last.at - first.at),
    redisMicros: ((last.redis - first.redis) * 1e6) / done,
    workerMicros: ((last.workers - first.workers) * 1e6) / done,
    ...memory,
  };
}
