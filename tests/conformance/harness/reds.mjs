// Rows that are red because of BullMQ itself. Each says how it fails, and is a fault of this suite when
// it fails otherwise, or no longer.

const PYTHON = {
  client: 'python',
  link: 'https://github.com/taskforcesh/bullmq/blob/master/python/README.md',
};
const lacks = (what, ...rows) => ({
  ...PYTHON,
  says: new RegExp(`has no ${what}\\b`),
  because: `BullMQ for Python has no ${what}`,
  rows,
});

export const REDS = [
  lacks('changeDelay', 'controls: changeDelay: forward, and back again'),
  lacks(
    'removeChildDependency',
    'flows: children that are taken from their parent are waited for no longer',
  ),
  lacks('removeDeduplicationKey', 'deduplication: an id that is freed by hand lets the next one in'),
  lacks(
    'waitUntilFinished',
    'events: waitUntilFinished resolves with the value and rejects with the reason',
    'events: waitUntilFinished of jobs that are not kept',
  ),
  lacks(
    'getDependencies',
    'flows: dependencies can be counted and listed, before and after',
    'flow_failures: failParentOnFailure: the parent fails without running, and says why',
  ),
  lacks(
    'getIgnoredChildrenFailures',
    'flow_failures: ignoreDependencyOnFailure: the parent runs and can read the reason',
    'flow_failures: ignoreDependencyOnFailure: in the middle of three generations',
    'flow_failures: removeDependencyOnFailure: the parent runs and knows nothing of it',
    'flow_failures: continueParentOnFailure: the parent starts before its other children are done',
    'flow_failures: every option at once, each child by its own',
  ),
  lacks('count', 'getters: counts: every state has a call'),
  lacks('exportPrometheusMetrics', 'getters: counts for Prometheus'),
  lacks('addJobLog', 'metadata: log lines can be added while the job runs and after'),
  lacks('processedBy', 'metadata: who ran a job is on the job'),
  {
    ...PYTHON,
    says: /opts\.telemetry/,
    because: 'BullMQ for Python has no tracers',
    rows: ['metadata: trace context that a tracer of the client writes is kept'],
  },
  {
    ...PYTHON,
    worker: 'node',
    says: /"tm":"trace-1"/,
    because: 'BullMQ for Python does not read the trace context that BullMQ writes',
    rows: ['schedulers: the template is on every job: options, data, telemetry'],
  },
  {
    ...PYTHON,
    says: /Missing expected rejection/,
    because: 'BullMQ for Python takes any priority',
    rows: ['producer: a priority that BullMQ refuses is refused'],
  },
  {
    client: 'python',
    says: /is not acceptable/,
    because: 'croniter, which BullMQ for Python plans with, knows no `5L`',
    link: 'https://github.com/pallets-eco/croniter',
    rows: ['schedulers: cron patterns of every kind give the next time that BullMQ gives'],
  },
];

/** Why a row is red for a client, if it is. */
export function redFor(row, { client, worker }) {
  return REDS.find(
    (red) => red.rows.includes(row) && red.client === client && (red.worker ?? worker) === worker,
  );
}
