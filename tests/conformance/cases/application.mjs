// The concert history's own producer: adds a scan and polls its progress.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../harness/deadline.mjs';

const FIELDS = [
  ...['userId', 'isScanning', 'currentPhoto', 'totalPhotos', 'processed', 'linked', 'skipped'],
  ...['newConcerts', 'unmatched', 'startedAt', 'currentFileName', 'currentCity', 'currentState'],
  ...['currentCountry', 'currentArtist', 'currentVenue', 'currentStatus', 'elapsedTime'],
];
const KEEP = { removeOnComplete: 1000, removeOnFail: 5000 };
let users = 0;

/** The smallest JPEG that has a size: SOI, SOF0 (grey), a scan without data, EOI. */
function jpeg(width, height, mark) {
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  const comment = Buffer.from(`photo ${mark}`);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, comment.length + 2]),
    comment,
    Buffer.from([0xff, 0xc0, 0, 11, 8, ...size, 1, 1, 0x11, 0]),
    Buffer.from([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f, 0xff, 0xd9]),
  ]);
}

async function photos(bench, count) {
  const path = join(bench.folder, 'photos');
  await mkdir(path);
  const write = (i) => writeFile(join(path, `IMG_${1000 + i}.jpg`), jpeg(640, 480, i));
  await Promise.all(Array.from({ length: count }, (_, i) => write(i)));
  return path;
}

async function start(bench, path) {
  const name = 'photo-processing';
  const settings = { 'folders.roots': path };
  const [queue, events] = await Promise.all([
    bench.queue(name),
    bench.events(name),
    bench.work({ worker: 'roadie', queues: [name], settings }),
  ]);
  // Progress lies beside the queues, under the user alone.
  users += 1;
  return { queue, events, redis: bench.raw(), user: users };
}

export const notFor = { node: "BullMQ's worker scans no folders" };

export const features = {
  'scan-folder is added, watched and ends': async (bench) => {
    const path = await photos(bench, 300);
    const { queue, events, redis, user } = await start(bench, path);
    const key = `scan:progress:${user}`;
    const payload = { userId: user, path, batchSize: 10, timestamp: Date.now() };
    const job = await queue.add('scan-folder', payload, KEEP);
    const polled = [];
    await eventually('the scan ends', async () => {
      const text = await redis.get(key);
      if (text) polled.push(JSON.parse(text));
      return events.of('completed', job.id).length + events.of('failed', job.id).length > 0;
    });
    const ended = await queue.getJob(job.id);
    assert.equal(ended.failedReason, undefined);
    assert.equal(ended.returnvalue.scanType, 'folder');
    assert.equal(ended.returnvalue.totalPhotos, 300);
    assert.equal(ended.returnvalue.processed, 300);
    assert.ok(polled.length > 0, 'polling saw nothing');
    for (const progress of polled) assert.deepEqual(Object.keys(progress).sort(), [...FIELDS].sort());
    assert.ok(polled.some((progress) => progress.isScanning), 'polling never saw the scan running');
    const counts = polled.map((progress) => progress.currentPhoto);
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b), 'progress goes forward only');
    const last = JSON.parse(await redis.get(key));
    const end = { userId: user, isScanning: false, currentPhoto: 300, totalPhotos: 300 };
    assert.deepEqual({ ...last, ...end }, last);
    assert.deepEqual(ended.progress, last, 'the job says the same');
    const ttl = await redis.ttl(key);
    assert.ok(ttl > 3500 && ttl <= 3600, `lives ${ttl} s`);
    assert.ok(last.startedAt >= payload.timestamp && last.startedAt <= Date.now());
    bench.note(`${new Set(counts).size} steps polled`);
  },

  'a second scan skips what has not changed': async (bench) => {
    const path = await photos(bench, 5);
    const { queue, events, user } = await start(bench, path);
    const scans = [];
    for (let i = 0; i < 2; i += 1) {
      const payload = { userId: user, path, batchSize: 10, timestamp: Date.now() };
      const job = await queue.add('scan-folder', payload, KEEP);
      await events.ended([job]);
      scans.push((await queue.getJob(job.id)).returnvalue);
    }
    assert.deepEqual(scans.map((scan) => [scan.processed, scan.skipped]), [[5, 0], [0, 5]]);
  },

  'a folder outside the roots is refused in words': async (bench) => {
    const path = await photos(bench, 1);
    const { queue, events, user } = await start(bench, path);
    const payload = { userId: user, path: '/etc', batchSize: 10, timestamp: Date.now() };
    const job = await queue.add('scan-folder', payload, KEEP);
    await events.ended([job]);
    const ended = await queue.getJob(job.id);
    assert.equal(await ended.getState(), 'failed');
    assert.equal(ended.attemptsMade, 1, 'no use in trying again');
    assert.match(ended.failedReason, /\/etc/);
  },
};
