// Real BullMQ clients against the real roadie.
//
//   node run.mjs [--client 5|6|python] [--worker roadie|node] [--with-node] [case …]
//
// Without a case all run, with every client. `--worker node` runs the same cases against BullMQ's
// worker for Node, `--with-node` against both: what differs there is roadie's to explain.
// ROADIE_BIN names the binary (default: the debug build), ROADIE_TEST_REDIS_SERVER the Redis server,
// ROADIE_TEST_PYTHON a Python with the packages of python/requirements.txt (default: python3).
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bench } from './harness/bench.mjs';
import { NAMES } from './harness/clients.mjs';
import { within } from './harness/deadline.mjs';
import { REDS, redFor } from './harness/reds.mjs';
import { startRedis } from './harness/redis.mjs';
import { printTable } from './harness/table.mjs';

const FEATURE_MS = 40_000;
const AT_ONCE = 8;
const here = fileURLToPath(new URL('.', import.meta.url));

const { values: flags, positionals: named } = parseArgs({
  allowPositionals: true,
  options: {
    client: { type: 'string', multiple: true },
    worker: { type: 'string', default: 'roadie' },
    'with-node': { type: 'boolean', default: false },
    'end-with-stdin': { type: 'boolean', default: false },
  },
});
if (flags['end-with-stdin']) process.stdin.on('end', () => process.exit(1)).resume();

const target = process.env.CARGO_TARGET_DIR ?? join(here, '../../target');
const binary = resolve(process.env.ROADIE_BIN ?? join(target, 'debug/roadie'));
if (!existsSync(binary)) fail(`there is no ${binary}; build it, or name it in ROADIE_BIN`);
const known = (await readdir(join(here, 'cases'))).map((file) => file.replace(/\.mjs$/, '')).sort();
const cases = named.length ? named : known;
for (const name of cases) {
  if (!known.includes(name)) fail(`there is no case ${name}; there are: ${known.join(', ')}`);
}
const columns = (flags['with-node'] ? ['roadie', 'node'] : [flags.worker]).flatMap((worker) =>
  (flags.client ?? NAMES).map((client) => ({ worker, client })),
);

const folder = await mkdtemp(join(tmpdir(), 'roadie-conformance-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
const redis = await startRedis(folder);
const rows = [];
const turns = [];
for (const name of cases) {
  const { features, notFor = {}, direction = 'their producer, our worker' } = await import(`./cases/${name}.mjs`);
  for (const [feature, body] of Object.entries(features)) {
    const row = { direction, feature: `${name}: ${feature}`, cells: [] };
    rows.push(row);
    columns.forEach((column, at) => {
      const skipped = notFor[column.worker] ?? notFor[column.client];
      if (skipped) row.cells[at] = { skipped };
      else turns.push(async () => (row.cells[at] = await play(row.feature, body, column)));
    });
  }
}
if (!named.length) {
  const unknown = REDS.flatMap((red) => red.rows).find((red) => !rows.some((row) => row.feature === red));
  if (unknown) fail(`harness/reds.mjs names a row that is not there: ${unknown}`);
}
// Most of a feature's time is waiting, and none sees another's queues.
const lanes = Array.from({ length: AT_ONCE }, async () => {
  for (let turn = turns.shift(); turn; turn = turns.shift()) await turn();
});
await Promise.all(lanes);
await redis.stop();
printTable(rows, columns);
const failed = rows.flatMap((row) => row.cells).filter((cell) => cell.error);
process.exit(failed.length === 0 ? 0 : 1);

/** Runs one feature with one client against one worker; what must be red and is not has failed. */
async function play(title, body, { worker, client }) {
  const started = performance.now();
  const bench = await Bench.open({ client, worker, redis, binary, folder });
  const red = redFor(title, { client, worker });
  let error;
  try {
    await within(Promise.race([body(bench), bench.failed]), 'the feature ends', FEATURE_MS);
    if (red) error = new Error(`it is not red any more; it was because: ${red.because}`);
  } catch (caught) {
    if (!red?.says.test(caught.message)) error = caught;
  }
  if (error) {
    const words = await within(bench.lastWords(), 'last words').catch(String);
    console.error(`FAILED ${title} (${worker}, client ${client})\n${error.stack}\n${words}\n`);
  }
  try {
    await within(bench.close(), 'everything is closed', FEATURE_MS);
  } catch (caught) {
    // The PyPI client's own close waits for ever at times; what was asked of it is answered by then.
    if (client !== 'python') error ??= caught;
    console.error(`FAILED at the end of ${title} (${worker}, client ${client})\n${caught.stack}\n`);
  }
  return { error, red, ms: Math.round(performance.now() - started), notes: bench.notes };
}

function fail(text) {
  console.error(text);
  process.exit(2);
}
