// The clients under test: BullMQ of npm in two major versions, and BullMQ for Python.
import { createRequire } from 'node:module';
import { Python } from './python.mjs';

const require = createRequire(import.meta.url);

let python;

/** What each is called in the table, its classes, and what it calls the address of a Redis. */
const CLIENTS = {
  5: () => ({ bullmq: require('bullmq5'), connection: (redis) => ({ ...redis.connection }) }),
  6: () => ({ bullmq: require('bullmq'), connection: (redis) => ({ ...redis.connection }) }),
  python: () => ({ bullmq: (python ??= new Python()).bullmq, connection: (redis) => `unix://${redis.connection.path}` }),
};

export const NAMES = Object.keys(CLIENTS);

export function open(name) {
  return CLIENTS[name]();
}

/** Redis itself, through the driver that BullMQ brings along. */
export function connect(redis) {
  const Redis = createRequire(require.resolve('bullmq5'))('ioredis');
  return new Redis({ ...redis.connection });
}
