// The workers that a case can run against: the roadie binary, BullMQ's for Node, and the client's own.
import { join } from 'node:path';
import { Child } from './children.mjs';
import { open } from './clients.mjs';
import { within } from './deadline.mjs';
import { rehearse } from './rehearse.mjs';

const CLOSE_MS = 5_000;

/** A clean environment: a REDIS_URL or DATABASE_URL of the machine is not the test's. */
function environment() {
  return { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1' };
}

export function roadie(bench, args) {
  const settings = {
    'redis.url': bench.redis.url,
    'redis.prefix': bench.prefix,
    'data.dir': bench.folder,
    'http.listen': '',
    'database.migrate_on_start': 'true',
    'database.url': `sqlite://${join(bench.folder, 'catalogue.db')}`,
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const child = new Child(bench.binary, [...args, ...flags], { env: environment(), cwd: bench.folder });
  bench.children.push(child);
  return child;
}

export async function startRoadie(bench, { queues, slots = 8, settings = {}, exit = 0, crashes = false }) {
  const own = {
    'worker.rehearsals': 'true',
    'worker.grace_period': '10s',
    ...Object.fromEntries(queues.map((queue) => [`queues.${queue}.slots`, slots])),
    ...settings,
  };
  const flags = Object.entries(own).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const child = roadie(bench, ['run', ...flags]);
  await child.says('serving');
  let stopping = crashes;
  child.ended.then((code) => {
    if (!stopping) bench.fail(new Error(`roadie ended by itself with ${code}:\n${child.output}`));
  });
  return {
    crashed: child.ended,
    kill: () => {
      stopping = true;
      return child.stop('SIGKILL');
    },
    stop: async () => {
      if (stopping) return;
      stopping = true;
      const code = await child.stop();
      if (code !== exit) throw new Error(`roadie ended with ${code}:\n${child.output}`);
    },
  };
}

/** A worker of BullMQ, in this process or, for Python, in the client's. */
async function startBullmq(client, bench, { queues, slots = 8, own = {} }) {
  const { bullmq, connection } = open(client);
  const { prefix, redis } = bench;
  const options = { connection: connection(redis), prefix, name: 'theirs', concurrency: slots, ...own };
  const ran = new Set();
  const play = rehearse(bench, bullmq);
  const process = (job, token) => play(job, token).finally(() => ran.add(job.id));
  const workers = queues.map((queue) => new bullmq.Worker(queue, process, options));
  for (const worker of workers) worker.on('error', (error) => bench.note(`worker: ${error.message ?? error}`));
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const close = () => Promise.all(workers.map((worker) => worker.close()));
  if (client !== 'python') return { ran, stop: close };
  // The PyPI client's own close waits for ever at times, with nothing left to do.
  return { ran, stop: () => within(close(), 'the worker is closed', CLOSE_MS).catch((error) => bench.note(error.message)) };
}

/** By name; the reference for clients of other languages is the newest worker for Node. */
export const WORKERS = {
  roadie: startRoadie,
  node: (bench, options) => startBullmq(bench.client === '5' ? '5' : '6', bench, options),
  theirs: (bench, options) => startBullmq(bench.client, bench, options),
};
