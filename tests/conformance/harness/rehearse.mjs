// The kind `rehearse` for BullMQ's own worker: the same payload does the same as in roadie.

export function rehearse(bench, { UnrecoverableError, DelayedError, WaitingChildrenError }) {
  /** Adds children and waits for them without holding a slot, as BullMQ's manual shows. */
  async function waitFor({ children, queue: name = 'rehearsals' }, job, token) {
    if (job.attemptsStarted > 1) return collected(bench, job);
    const queue = await bench.queue(name);
    const parent = { id: job.id, queue: `${bench.prefix}:rehearsals` };
    for (const [i, data] of children.entries()) {
      const opts = { parent, jobId: `${job.id}-child-${i}`, ignoreDependencyOnFailure: true };
      await queue.add('rehearse', data, opts);
    }
    if (await job.moveToWaitingChildren(token, {})) throw new WaitingChildrenError();
    return collected(bench, job);
  }

  return async (job, token) => {
    if (job.name !== 'rehearse') throw new UnrecoverableError(`no handler for kind \`${job.name}\``);
    if (!decodes(job.data)) throw new UnrecoverableError('the payload does not decode');
    const { act, failures = 0, value = null, message = 'as asked', steps, stepMs, afterMs } = job.data;
    const attempt = job.attemptsMade + 1;
    if (attempt <= failures) throw new Error(`attempt ${attempt} fails as asked`);
    switch (act) {
      case 'return':
        return value;
      case 'fail':
        throw new Error(message);
      case 'discard':
        throw new UnrecoverableError(message);
      case 'panic':
        throw new Error('panicked: panics as asked');
      case 'hang':
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        throw new Error('timed out');
      case 'postpone':
        if (job.attemptsStarted > 1) return 'came back';
        await job.moveToDelayed(Date.now() + afterMs, token);
        throw new DelayedError();
      case 'log':
        for (const line of job.data.lines) await job.log(line);
        return job.data.lines.length;
      case 'collect':
        return collected(bench, job);
      case 'children':
        return waitFor(job.data, job, token);
      case 'steps':
        for (let step = 1; step <= steps; step += 1) {
          await new Promise((resolve) => setTimeout(resolve, stepMs));
          await job.updateProgress({ step, of: steps });
        }
        return { steps, resumedAt: 0 };
      default:
        throw new Error(`no rehearsal of ${act}`);
    }
  };
}

/** What the children of a job have answered, and why the others failed, each in the order of their keys. */
async function collected(bench, job) {
  // The client for Python does not ask for failures.
  const [completed, failed] = await Promise.all([
    job.getChildrenValues(),
    bench.raw().hgetall(`${bench.prefix}:rehearsals:${job.id}:failed`),
  ]);
  const values = (found) => Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
  return { completed: values(completed), failed: values(failed) };
}

const NEEDS = { postpone: ['afterMs'], steps: ['steps', 'stepMs'] };
const ACTS = ['return', 'fail', 'discard', 'panic', 'hang', 'log', 'collect', 'children', ...Object.keys(NEEDS)];

function decodes(data) {
  if (!ACTS.includes(data?.act)) return false;
  return (NEEDS[data.act] ?? []).every((field) => Number.isInteger(data[field]));
}
