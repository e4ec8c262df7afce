// The two workers that are compared.
import { dirname, join } from 'node:path';
import { start } from './processes.mjs';

export const QUEUE = 'rehearsals';
/** A job that does nothing, in the size that jobs of web tiers have. */
export const PAYLOAD = {
  act: 'return',
  userId: 4_711,
  source: 'web',
  requestedAt: '2026-06-01T20:15:00.000Z',
  note: 'a payload of the usual size',
};

/** Everything on, as `roadie run` comes: lease, layers, metrics, log lines, health. */
async function roadie({ redis, folder }, slots) {
  const settings = {
    'redis.url': redis.url,
    'data.dir': join(folder, 'data'),
    'database.migrate_on_start': 'true',
    'http.listen': '127.0.0.1:0',
    'worker.rehearsals': 'true',
    'worker.slots': slots,
    [`queues.${QUEUE}.slots`]: slots,
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return start(folder, process.env.ROADIE_BIN, ['run', ...flags], ' serving ');
}

async function node({ redis, folder }, slots) {
  const program = join(import.meta.dirname, 'worker.mjs');
  const { host, port } = redis.connection;
  return start(folder, process.execPath, [program, host, port, QUEUE, String(slots)], 'ready');
}

export const SIDES = { roadie, node };
