// What one feature works with: a queue prefix of its own, the client of one version, the worker
// under test, and the promise that everything is closed afterwards.
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from './children.mjs';
import { connect, open } from './clients.mjs';
import { Recorder } from './recorder.mjs';
import { WORKERS, roadie } from './workers.mjs';

let benches = 0;

export class Bench {
  static async open({ client, worker, redis, binary, folder }) {
    const bench = new Bench();
    benches += 1;
    const { bullmq, connection } = open(client);
    Object.assign(bench, { client, bullmq, connection, worker, redis, binary, prefix: `bench${benches}` });
    bench.folder = await mkdtemp(join(folder, 'bench-'));
    bench.closers = [];
    bench.children = [];
    bench.queues = [];
    bench.notes = [];
    bench.failed = new Promise((_, reject) => (bench.fail = reject));
    bench.failed.catch(() => {});
    return bench;
  }

  /** A remark that the table shows beside the feature. */
  note(text) {
    this.notes.push(text);
  }

  options() {
    return { connection: this.connection(this.redis), prefix: this.prefix };
  }

  async queue(name = 'rehearsals', options = {}) {
    const queue = new this.bullmq.Queue(name, { ...this.options(), ...options });
    this.onClose(() => queue.close());
    this.queues.push(queue);
    await queue.waitUntilReady();
    return queue;
  }

  /** The queue's event stream from its beginning. */
  async events(name = 'rehearsals') {
    const events = new this.bullmq.QueueEvents(name, { ...this.options(), lastEventId: '0' });
    this.onClose(() => events.close());
    const recorder = new Recorder(events);
    await events.waitUntilReady();
    return recorder;
  }

  /**
   * Starts the worker under test, or the named one; answers when it serves. `ran` are the ids of the
   * jobs that BullMQ's worker ran.
   */
  async work({ worker = this.worker, queues = ['rehearsals'], ...options } = {}) {
    const started = await WORKERS[worker](this, { queues, ...options });
    let stopping;
    const stop = () => (stopping ??= started.stop());
    this.onClose(stop);
    return { ...started, stop };
  }

  /** A BullMQ worker in a process of its own whose jobs never end: to be killed. */
  doomed(own, queue = 'rehearsals') {
    const script = new URL('doomed.mjs', import.meta.url).pathname;
    const options = JSON.stringify({ ...this.options(), ...own });
    const child = new Child(process.execPath, [script, this.client, queue, options]);
    this.onClose(() => child.stop('SIGKILL'));
    return child;
  }

  /** A queue, its events and a worker on it. */
  async set(options) {
    const [queue, events] = await Promise.all([this.queue(), this.events(), this.work(options)]);
    return { queue, events };
  }

  /** Runs the roadie command line; answers its exit code and what it said. */
  async cli(...args) {
    const child = roadie(this, args);
    const code = await child.ended;
    return { code, output: child.output, stdout: child.stdout.trim() };
  }

  /** Redis itself, as an application sees it. */
  raw() {
    if (!this.plain) {
      this.plain = connect(this.redis);
      this.onClose(() => this.plain.disconnect());
    }
    return this.plain;
  }

  onClose(closer) {
    this.closers.push(closer);
  }

  /** After a failure: what is in the queues, and the last that each child process said. */
  async lastWords() {
    const counts = await Promise.all(
      this.queues.map(async (queue) => `${queue.name}: ${JSON.stringify(await queue.getJobCounts())}`),
    );
    const said = this.children.map((child) => child.output.split('\n').slice(-20).join('\n'));
    return [...counts, ...said].join('\n');
  }

  async close() {
    const results = await Promise.allSettled(this.closers.reverse().map((close) => close()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
}
