// Both workers on one Redis, in turns, so that what the machine does beside it hits both. What is measured and
// how is said in the tables' heads; see ../engine.sh.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from './clients.mjs';
import { latency } from './latency.mjs';
import { startRedis } from './processes.mjs';
import { SIDES } from './sides.mjs';
import { printTable } from './table.mjs';
import { throughput } from './throughput.mjs';

const numbers = (text) => text.split(',').map(Number);
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '30000' },
    processes: { type: 'string', default: '1,2' },
    slots: { type: 'string', default: '1,10,50,100' },
    side: { type: 'string', multiple: true, default: Object.keys(SIDES) },
  },
});
const runs = Number(values.runs);
const jobs = Number(values.jobs);
const sides = values.side;

const folder = await mkdtemp(join(tmpdir(), 'roadie-bench-'));
const redis = await startRedis(folder);
const bench = { redis, folder };
try {
  console.log(
    `${availableParallelism()} cores, ${cpus()[0].model.trim()}, Linux ${release()}; Redis ${redis.version} on ` +
      `loopback, nothing on disk; Node ${process.version}, BullMQ ${VERSION}. Medians of ${runs} runs.\n`,
  );
  const rows = [];
  for (const processes of numbers(values.processes)) {
    for (const slots of numbers(values.slots)) {
      const found = await inTurns((side) => throughput(bench, SIDES[side], { processes, slots, jobs }));
      rows.push([processes, slots, ...columns(found, ['rate', 'redisMicros', 'workerMicros', 'rss', 'peak'])]);
    }
  }
  console.log(
    `Throughput: ${jobs} jobs that do nothing, loaded before, ~120 bytes of payload; from the 10th to the 95th\n` +
      'hundredth of them. CPU by INFO (Redis) and /proc (workers) over the same time; memory of one process.\n',
  );
  const heads = ['jobs/s', 'Redis µs/job', 'worker µs/job', 'RSS MB', 'peak MB'];
  printTable([['processes', 'slots', ...heads.flatMap((head) => named(head))], ...rows]);

  const found = await inTurns((side) => latency(bench, SIDES[side]));
  console.log(
    '\nPick-up: one job every 20 ms to an idle worker, 500 jobs; from before `add` until the event `active` has\n' +
      'reached the producer, by the producer\'s clock.\n',
  );
  const rowsOf = ['p50', 'p99', 'max'].map((name) => [name, ...columns(found, [name])]);
  printTable([['ms', ...named('')], ...rowsOf]);
} finally {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Measures each side so many times, one after the other; answers the runs by side. */
async function inTurns(measure) {
  const found = Object.fromEntries(sides.map((side) => [side, []]));
  for (let run = 0; run < runs; run += 1) {
    for (const side of sides) found[side].push(await measure(side));
  }
  return found;
}

/** For each measure: the median of each side, and the first side's part of the second's. */
function columns(found, measures) {
  return measures.flatMap((name) => {
    const medians = sides.map((side) => median(found[side].map((run) => run[name])));
    const cells = medians.map((value) => (value < 100 ? value.toFixed(1) : Math.round(value).toString()));
    return sides.length === 2 ? [...cells, (medians[0] / medians[1]).toFixed(2)] : cells;
  });
}

function named(head) {
  return [...sides.map((side) => `${side} ${head}`.trim()), ...(sides.length === 2 ? ['×'] : [])];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
