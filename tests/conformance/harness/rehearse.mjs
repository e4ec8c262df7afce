// The kind `rehearse` for BullMQ's own worker: the same payload does the same as in roadie.

export function rehearse({ UnrecoverableError, DelayedError }) {
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
        await new Promise((resolve) => setTimeout(resolve, 300));
        throw new Error('timed out');
      case 'postpone':
        if (job.attemptsStarted > 1) return 'came back';
        await job.moveToDelayed(Date.now() + afterMs, token);
        throw new DelayedError();
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

const NEEDS = { postpone: ['afterMs'], steps: ['steps', 'stepMs'] };
const ACTS = ['return', 'fail', 'discard', 'panic', 'hang', ...Object.keys(NEEDS)];

function decodes(data) {
  if (!ACTS.includes(data?.act)) return false;
  return (NEEDS[data.act] ?? []).every((field) => Number.isInteger(data[field]));
}
