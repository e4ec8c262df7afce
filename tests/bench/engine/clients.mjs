// BullMQ for Node and the Redis driver that it brings along, as the conformance tests install them.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../conformance/package.json', import.meta.url));

export const { Queue, Worker } = require('bullmq');
export const VERSION = require('bullmq/package.json').version;

export function connect(connection) {
  const Redis = createRequire(require.resolve('bullmq'))('ioredis');
  return new Redis(connection);
}
