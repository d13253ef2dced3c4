import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRun } from '#deploy/local/run-file.js';
import { sleep } from '#shared/deadline.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import type { Io } from './io.js';

const POLL_MS = 100;

/**
 * Starts `zmesh up` in a process of its own, out of this terminal's reach, and waits until the mesh is ready; its lines go
 * to `<home>/logs/runner.log`. Throws with the line that says why if it does not start; Ctrl-C stops it again.
 */
export async function startDetached(env: NodeJS.ProcessEnv, io: Io): Promise<void> {
  const home = zmeshHome(env);
  const running = readRun(home);
  if (running) throw new Error(`the mesh is already running (process ${running.pid}): see "zmesh status"`);
  const logs = join(home, 'logs');
  mkdirSync(logs, { recursive: true });
  const logFile = join(logs, 'runner.log');
  const log = openSync(logFile, 'w');
  const child = spawn(process.execPath, [join(projectRoot, 'dist/services/cli/main.js'), 'up'], {
    detached: true,
    env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let ended: string | undefined;
  child.on('error', (error) => {
    ended = error.message;
  });
  child.on('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `status ${code}`}`;
  });
  io.err.write(`starting the mesh in the background (process ${child.pid}, ${logFile})\n`);
  while (ended === undefined) {
    const run = readRun(home);
    if (run && run.pid === child.pid && run.phase === 'ready') {
      child.unref();
      return;
    }
    if (io.signal.aborted) {
      child.kill('SIGTERM');
      throw new Error('interrupted; the mesh in the background stops');
    }
    await sleep(POLL_MS);
  }
  throw new Error(`the mesh did not start: ${lastError(logFile) ?? ended}`);
}

function lastError(logFile: string): string | undefined {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  return lines.findLast((line) => line.startsWith('error: '))?.replace('error: ', '');
}
