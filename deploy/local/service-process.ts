import { fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { ServiceMessage } from '#shared/lifecycle.js';
import type { Incarnation } from './supervise.js';

/** How to start one service. */
export interface ServiceProcessOptions {
  readonly name: string;
  /** Its main.js. */
  readonly entry: string;
  readonly env: NodeJS.ProcessEnv;
  /** Appended to. */
  readonly logFile: string;
  /** Longest wait until it is ready. Default 120 s: loading a large model takes a while. */
  readonly startLimitMs?: number;
  /** How long it may drain before it is killed. Default 15 s, above the services' own limit of 10 s. */
  readonly stopLimitMs?: number;
  /** Ends the start. */
  readonly signal: AbortSignal;
}

/**
 * Starts a service in a process and process group of its own (a Ctrl-C in the terminal is the runner's alone) and waits
 * until it says that it is ready. It drains when this process goes away, because its IPC channel closes.
 * Rejects with one line that says why it did not start.
 */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<Incarnation> {
  const { name, entry, env, logFile, startLimitMs = 120_000, stopLimitMs = 15_000, signal } = options;
  const log = openSync(logFile, 'a');
  const child = fork(entry, [], {
    detached: true,
    execArgv: [],
    env,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const exited = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, exitSignal) => resolve(exitSignal ?? `status ${code}`));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
    await exited;
    clearTimeout(timer);
  };
  let giveUp = (): void => {};
  const ready = new Promise<Pick<Incarnation, 'address' | 'httpAddress'>>((resolve, reject) => {
    child.on('message', (message: ServiceMessage) => {
      if (message.type === 'ready') resolve({ address: message.address, httpAddress: message.httpAddress });
      else reject(new Error(`${name}: ${message.message}`));
    });
    void exited.then((how) =>
      reject(new Error(`${name} ended (${how}) before it was ready; its log: ${logFile}`)),
    );
    const timer = setTimeout(
      () => reject(new Error(`${name} was not ready after ${startLimitMs / 1000} s; its log: ${logFile}`)),
      startLimitMs,
    );
    const aborted = (): void => reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    giveUp = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    };
    if (signal.aborted) aborted();
  });
  try {
    return { pid: child.pid!, ...(await ready), exited, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    giveUp();
  }
}
