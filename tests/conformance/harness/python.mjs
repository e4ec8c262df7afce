// BullMQ's Python client as if it were the one of npm: the same classes and methods, over a pipe to
// `python/bridge.py`. So the cases are written once, and what they ask is asked by the real client.
import { createInterface } from 'node:readline';
import { Child } from './children.mjs';

const BRIDGE = new URL('../python/bridge.py', import.meta.url).pathname;
const CLASSES = ['Queue', 'FlowProducer', 'QueueEvents', 'Worker'];
const ERRORS = ['UnrecoverableError', 'DelayedError', 'WaitingChildrenError'];
/** Fields of a job that the client of npm has. */
const MISSING = ['processedBy'];
/** What the client calls otherwise, or gives other arguments. */
const OTHERWISE = {
  getWorkers: (args) => ['get_workers', args],
  getWorkersCount: (args) => ['get_workers_count', args],
  upsertJobScheduler: ([id, repeat, { name, data, opts } = {}]) => ['upsertJobScheduler', [id, repeat, name, data, opts]],
  obliterate: ([opts]) => ['obliterate', [opts?.force ?? false]],
};
const REF = Symbol('the number of an object at the other end');

export class Python {
  /** Starts a process of its own. */
  constructor(program = process.env.ROADIE_TEST_PYTHON || 'python3') {
    this.child = new Child(program, ['-u', BRIDGE], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.open = [];
    this.processors = [];
    this.listeners = new Map();
    createInterface({ input: this.child.process.stdout }).on('line', (line) => this.hear(JSON.parse(line)));
    const ended = () => {
      const error = new Error(`the Python client ended:\n${this.child.output}`);
      for (const request of this.open) request?.reject(error);
    };
    this.child.ended.then(ended, ended);
    this.bullmq = Object.fromEntries([
      ...CLASSES.map((name) => [name, constructor(this, name)]),
      ...ERRORS.map((name) => [name, { [name]: class extends Error { name = name; } }[name]]),
    ]);
  }

  ask(request) {
    return new Promise((resolve, reject) => {
      const id = this.open.push({ resolve, reject }) - 1;
      this.child.process.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  hear(message) {
    if (message.heard !== undefined) {
      const args = this.decode(message.args);
      for (const listener of this.listeners.get(`${message.heard} ${message.event}`) ?? []) listener(...args);
    } else if (message.process !== undefined) {
      this.process(message);
    } else {
      const { resolve, reject } = this.open[message.id];
      delete this.open[message.id];
      if (message.error) reject(Object.assign(new Error(message.error.message), { name: message.error.name }));
      else resolve(this.decode(message.value));
    }
  }

  async process({ process, call, job, token }) {
    try {
      const value = await this.processors[process](this.decode(job), token);
      await this.ask({ processed: call, value: await this.encode(value ?? null) });
    } catch ({ name, message }) {
      await this.ask({ processed: call, error: { name, message } });
    }
  }

  async call(ref, method, args) {
    const [name, given] = OTHERWISE[method]?.(args) ?? [method, args.filter((arg) => arg !== undefined)];
    const value = await this.ask({ on: await ref, call: name, args: await this.encode(given) });
    return method === 'getJob' ? (value ?? undefined) : value;
  }

  async listen(ref, event, listener) {
    const number = await ref;
    const key = `${number} ${event}`;
    this.listeners.set(key, [...(this.listeners.get(key) ?? []), listener]);
    await this.ask({ on: number, listen: event });
  }

  async encode(value) {
    if (value?.[REF] !== undefined) return { $ref: await value[REF] };
    if (value instanceof Date) return value.getTime();
    if (typeof value === 'function') return { $processor: this.processors.push(value) - 1 };
    if (Array.isArray(value)) return Promise.all(value.map((one) => this.encode(one)));
    if (!value || typeof value !== 'object') return value;
    const entries = Object.entries(value).map(async ([key, one]) => [key, await this.encode(one)]);
    return Object.fromEntries(await Promise.all(entries));
  }

  decode(value) {
    if (Array.isArray(value)) return value.map((one) => this.decode(one));
    if (!value || typeof value !== 'object') return value;
    if (value.$job !== undefined) return thing(this, value.$job, fields(this.decode(value.fields)));
    if (value.$ref !== undefined) return value.$ref;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.decode(one)]));
  }
}

/** What is None there is undefined here, but for values that may be null. */
function fields({ data, returnvalue, ...others }) {
  const known = Object.entries(others).map(([key, value]) => [key, value ?? undefined]);
  return { ...Object.fromEntries(known), data, returnvalue };
}

function constructor(python, name) {
  return function (...args) {
    // Whoever listens is told from the beginning, so events are read once all have been listened to.
    const given = name === 'QueueEvents' ? [args[0], { ...args[1], autorun: false }] : args;
    const ref = python.encode(given).then((encoded) => python.ask({ new: name, args: encoded }));
    const listening = [];
    const ready = async () => {
      await Promise.all([ref, ...listening]);
      // Ends when it is closed.
      if (name === 'QueueEvents') python.call(ref, 'run', []).catch(() => {});
    };
    return thing(python, ref, {
      name: args[0],
      qualifiedName: `${args.at(-1).prefix}:${args[0]}`,
      on: (event, listener) => listening.push(python.listen(ref, event, listener)),
      waitUntilReady: ready,
    });
  };
}

/** An object at the other end: the fields that are known here, and all its methods. */
function thing(python, ref, known) {
  return new Proxy({ ...known, [REF]: ref }, {
    get(target, key) {
      if (key in target || typeof key === 'symbol' || key === 'then' || key === 'toJSON') return target[key];
      if (MISSING.includes(key)) throw new Error(`the client has no ${key}`);
      return (...args) => python.call(ref, key, args);
    },
  });
}
