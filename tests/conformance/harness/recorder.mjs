// Everything that a queue's event stream says, in order, with Redis' own times.
import { within } from './deadline.mjs';

const EVENTS = [
  ...['added', 'waiting', 'active', 'progress', 'completed', 'failed', 'retries-exhausted'],
  ...['delayed', 'drained', 'paused', 'resumed', 'removed', 'deduplicated', 'duplicated', 'stalled'],
  ...['waiting-children', 'cleaned'],
];

export class Recorder {
  constructor(events) {
    this.events = events;
    this.seen = [];
    this.byEvent = Object.fromEntries(EVENTS.map((event) => [event, []]));
    this.byJob = new Map();
    this.looks = new Set();
    for (const event of EVENTS) {
      events.on(event, (args, id) => this.hear({ event, at: Number(String(id).split('-')[0]), ...args }));
    }
  }

  hear(said) {
    this.seen.push(said);
    this.byEvent[said.event].push(said);
    if (!this.byJob.has(said.jobId)) this.byJob.set(said.jobId, []);
    this.byJob.get(said.jobId).push(said);
    this.looks.forEach((look) => look());
  }

  /** All events of one name, of one job if it is given. */
  of(event, jobId) {
    if (jobId === undefined) return [...this.byEvent[event]];
    return (this.byJob.get(jobId) ?? []).filter((said) => said.event === event);
  }

  /** Waits until `condition` holds; it is looked at after every event. */
  until(what, condition, ms) {
    let look;
    const met = new Promise((resolve) => {
      look = () => condition() && resolve();
      this.looks.add(look);
      look();
    });
    return within(met, () => `${what}; seen ${this.summary()}`, ms).finally(() => this.looks.delete(look));
  }

  /** Waits until every one of these jobs has completed or failed for good. */
  async ended(jobs, ms) {
    const open = new Set(jobs.map((job) => job.id));
    let read = 0;
    await this.until(`${jobs.length} jobs end`, () => {
      for (; read < this.seen.length; read += 1) {
        const { event, jobId } = this.seen[read];
        if (event === 'completed' || event === 'failed') open.delete(jobId);
      }
      return open.size === 0;
    }, ms);
  }

  summary() {
    const counts = {};
    for (const { event } of this.seen) counts[event] = (counts[event] ?? 0) + 1;
    return JSON.stringify(counts);
  }
}
