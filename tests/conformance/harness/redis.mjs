// A private Redis on a socket of its own, without persistence.
import { join } from 'node:path';
import { Child } from './children.mjs';

export async function startRedis(folder) {
  const program = process.env.ROADIE_TEST_REDIS_SERVER || 'redis-server';
  const path = join(folder, 'redis.sock');
  const child = new Child(program, [
    ...['--port', '0', '--unixsocket', path, '--unixsocketperm', '700'],
    ...['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--dir', folder],
  ]);
  await child.says('eady to accept connections');
  return {
    url: `redis+unix://${path}`,
    connection: { path, maxRetriesPerRequest: null },
    stop: () => child.stop('SIGKILL'),
  };
}
