// The jobs that cases add, and what is asked about them.

/** Most cases are not about retries. */
export const ONCE = { attempts: 1 };

/** A job that returns a value. */
export function returns(value, opts = {}) {
  return { name: 'rehearse', data: { act: 'return', value }, opts: { ...ONCE, ...opts } };
}

/** A job that holds its slot for a while. */
export function holds(ms, opts = {}) {
  return { name: 'rehearse', data: { act: 'steps', steps: 1, stepMs: ms }, opts: { ...ONCE, ...opts } };
}

/** A node of a flow, in the queue `rehearsals` unless the options name another. */
export function node(data, { queueName = 'rehearsals', ...opts } = {}, children = []) {
  return { name: 'rehearse', queueName, data, opts: { ...ONCE, ...opts }, children };
}

/** Adds a flow; answers its jobs, each parent before its children. */
export async function plant(bench, tree, options) {
  const producer = new bench.bullmq.FlowProducer(bench.options());
  bench.onClose(() => producer.close());
  const jobs = ({ job, children = [] }) => [job, ...children.flatMap(jobs)];
  return jobs(await producer.add(tree, options));
}

/** The order in which jobs were started. */
export const started = (events) => events.of('active').map((event) => event.jobId);

export const ids = (jobs) => jobs.map((job) => job.id);

/** How many jobs of a queue have not been started. */
export async function toDo(queue) {
  const { waiting, paused = 0, delayed, prioritized, 'waiting-children': parents } = await queue.getJobCounts();
  return waiting + paused + delayed + prioritized + parents;
}

/** Time enough for what a case does while a job runs, on a busy machine too. */
const HOLD_MS = 1_000;

/** A queue with one slot whose first job holds that slot until the case has done what it does. */
export async function held(bench) {
  const { queue, events } = await bench.set({ slots: 1 });
  const { name, data, opts } = holds(HOLD_MS);
  const holder = await queue.add(name, data, opts);
  await events.until('the slot is taken', () => events.of('active', holder.id).length > 0);
  return { queue, events, holder };
}
