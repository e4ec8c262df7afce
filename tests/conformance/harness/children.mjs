// Child processes. None outlives this process, however it ends.
import { spawn } from 'node:child_process';
import { within } from './deadline.mjs';

const running = new Set();

process.on('exit', () => running.forEach((child) => child.process.kill('SIGKILL')));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  process.on(signal, () => process.exit(code));
}

export class Child {
  constructor(program, args, options = {}) {
    this.output = '';
    this.stdout = '';
    this.process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(this);
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', (error) => {
        running.delete(this);
        reject(error);
      });
      this.process.once('close', (code, signal) => {
        running.delete(this);
        resolve(code ?? signal);
      });
    });
    this.ended.catch(() => {});
    const keep = (bytes) => (this.output += bytes);
    this.process.stdout.on('data', keep);
    this.process.stdout.on('data', (bytes) => (this.stdout += bytes));
    this.process.stderr.on('data', keep);
  }

  /** Resolves once the output holds this text; rejects when the process ends before that. */
  says(text) {
    const said = new Promise((resolve) => {
      const look = () => this.output.includes(text) && resolve();
      this.process.stdout.on('data', look);
      this.process.stderr.on('data', look);
      look();
    });
    const ended = this.ended.then((code) => {
      throw new Error(`ended with ${code} before it said "${text}":\n${this.output}`);
    });
    ended.catch(() => {});
    return within(Promise.race([said, ended]), `"${text}" from ${this.process.spawnfile}`);
  }

  async stop(signal = 'SIGTERM') {
    this.process.kill(signal);
    return within(this.ended, `${this.process.spawnfile} stops after ${signal}`);
  }
}
