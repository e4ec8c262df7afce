// A BullMQ worker that takes jobs and never ends one. Arguments: client, queue, options (JSON).
import { open } from './clients.mjs';

const [client, queue, options] = process.argv.slice(2);
const { bullmq } = open(client);
new bullmq.Worker(queue, async () => new Promise(() => {}), JSON.parse(options));
