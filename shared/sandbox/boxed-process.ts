import { spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { CHANNEL_FD, SECCOMP_FD } from './command.js';

/** Most of a program's complaints that is kept, bytes. */
const STDERR_MAX = 2048;

/** How a program ended. */
export interface Ending {
  /** Its status, or undefined where a signal ended it. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
  /** The end of what it wrote on stderr: bubblewrap's own complaints are there. */
  readonly stderr: string;
}

/** A program that runs in the sandbox. */
export interface BoxedProcess {
  /** Sends a line. Nothing once the program is gone. */
  send(line: string): void;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<Ending>;
  /** Ends it, and with it all that it started; at once, and may be called again. */
  kill(): void;
}

/** What is heard from a program. */
export interface Listener {
  /** A line, without its end. */
  onLine(line: string): void;
  /** A line went on beyond the limit; the rest is not read. */
  onFlood(): void;
}

/**
 * Starts a command line of `boxedCommand` with a filter of `seccompFilter`. Lines are at most `messageBytes` long.
 * As its stdin is empty and its stdout goes nowhere, a program can fill neither memory nor a disk by printing.
 */
export function startBoxed(
  command: readonly string[],
  options: { readonly filter: Buffer; readonly messageBytes: number },
  listener: Listener,
): BoxedProcess {
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    env: {},
    cwd: '/',
  });
  const channel = child.stdio[CHANNEL_FD] as Duplex;
  const seccomp = child.stdio[SECCOMP_FD] as Duplex;
  // Whoever is gone does not hear; that it is gone is told by `ended`.
  for (const stream of [channel, seccomp]) stream.on('error', () => {});
  seccomp.end(options.filter);
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_MAX);
  });
  readLines(channel, options.messageBytes, listener);
  const ended = new Promise<Ending>((resolve) => {
    child.once('error', (error) => resolve({ status: undefined, signal: undefined, stderr: error.message }));
    child.once('close', (status, signal) =>
      resolve({ status: status ?? undefined, signal: signal ?? undefined, stderr: stderr.trim() }),
    );
  });
  return {
    send(line) {
      if (channel.writable) channel.write(`${line}\n`);
    },
    ended,
    kill: () => child.kill('SIGKILL'),
  };
}

function readLines(channel: Duplex, messageBytes: number, { onLine, onFlood }: Listener): void {
  let chunks: Buffer[] = [];
  let length = 0;
  const read = (chunk: Buffer): void => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...chunks, rest.subarray(0, end)]);
      [chunks, length, rest] = [[], 0, rest.subarray(end + 1)];
      onLine(line.toString('utf8'));
    }
    if (rest.length === 0) return;
    chunks.push(rest);
    length += rest.length;
    if (length <= messageBytes) return;
    channel.off('data', read);
    channel.destroy();
    onFlood();
  };
  channel.on('data', read);
}
