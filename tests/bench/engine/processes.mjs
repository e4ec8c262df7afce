// Processes that are measured: their output goes to a file, so that nobody here has to read it meanwhile.
import { spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually, within } from '../../conformance/harness/deadline.mjs';
import { connect } from './clients.mjs';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));

let started = 0;

/** Starts a program; resolves when it has said `ready`. */
export async function start(folder, program, args, ready, env = {}) {
  started += 1;
  const log = join(folder, `log-${started}`);
  const out = openSync(log, 'w');
  const child = spawn(program, args, { stdio: ['ignore', out, out], cwd: folder, env: { PATH: process.env.PATH, ...env } });
  running.add(child);
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
  ended.then(() => running.delete(child));
  await eventually(`${program} says "${ready}"`, () => {
    if (child.exitCode !== null) throw new Error(`${program} ended:\n${readFileSync(log)}`);
    return readFileSync(log, 'utf8').includes(ready);
  });
  return {
    pid: child.pid,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await within(ended, `${program} stops`);
    },
  };
}

/** A private Redis on loopback, without persistence. */
export async function startRedis(folder) {
  const port = await freePort();
  const program = process.env.ROADIE_TEST_REDIS_SERVER ?? 'redis-server';
  const server = await start(
    folder,
    program,
    ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    'eady to accept connections',
  );
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
  const client = connect(connection);
  const info = async (section, field) => {
    const line = new RegExp(`^${field}:(.*)`, 'm').exec(await client.info(section));
    return line[1].trim();
  };
  return {
    connection,
    client,
    url: `redis://127.0.0.1:${port}`,
    version: await info('server', 'redis_version'),
    /** CPU seconds so far. */
    cpu: async () => Number(await info('cpu', 'used_cpu_user')) + Number(await info('cpu', 'used_cpu_sys')),
    stop: async () => {
      client.disconnect();
      await server.stop('SIGKILL');
    },
  };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

/** CPU seconds of a process so far, over all its threads; finer than the ticks of its `stat`. */
export function cpuOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanos = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return nanos.reduce((sum, time) => sum + time, 0) / 1e9;
}

/** Resident memory of a process in MB, now and at its peak. */
export function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)[1]) / 1024;
  return { rss: of('VmRSS'), peak: of('VmHWM') };
}
