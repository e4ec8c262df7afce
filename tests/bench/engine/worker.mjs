// BullMQ's own worker with a processor that does nothing: HOST PORT QUEUE SLOTS
import { Worker } from './clients.mjs';

const [host, port, queue, slots] = process.argv.slice(2);
const worker = new Worker(queue, async () => null, {
  connection: { host, port: Number(port), maxRetriesPerRequest: null },
  concurrency: Number(slots),
});
worker.on('error', (error) => console.error(error));
process.on('SIGTERM', () => worker.close().then(() => process.exit(0)));
await worker.waitUntilReady();
console.log('ready');
