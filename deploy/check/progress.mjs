import { spawn } from 'node:child_process';
import { say } from './places.mjs';

const EVERY_MS = 10_000;
const TAIL = 20;

/**
 * Runs a program that may take minutes: a line when it begins, one every ten seconds, one with its time at the end. What it
 * prints is shown only if it fails.
 *
 * @param {string} what
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 */
export async function withProgress(what, command, args, options = {}) {
  const start = performance.now();
  const seconds = () => `${Math.round((performance.now() - start) / 1000)} s`;
  say(`${what} …`);
  const timer = setInterval(() => say(`${what}: ${seconds()} so far …`), EVERY_MS);
  try {
    await run(command, args, options);
  } finally {
    clearInterval(timer);
  }
  say(`${what}: done in ${seconds()}`);
}

function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let written = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (written += data));
    child.on('error', (error) => reject(new Error(`${command} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      const tail = written.trim().split('\n').slice(-TAIL).join('\n');
      if (code === 0) resolve();
      else
        reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? `status ${code}`}\n${tail}`));
    });
  });
}
