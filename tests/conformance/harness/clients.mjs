// The BullMQ clients under test, by major version, and the Redis driver that they bring along.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const VERSIONS = ['5', '6'];

export function bullmq(version) {
  return require(`bullmq${version}`);
}

export function connect(redis) {
  const Redis = createRequire(require.resolve('bullmq5'))('ioredis');
  return new Redis({ ...redis.connection });
}
