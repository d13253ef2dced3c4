import { type ChildProcess, spawn } from 'node:child_process';
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
  /** Resolves when it has ended, however, and all that it sent has been heard. */
  readonly ended: Promise<Ending>;
  /** Ends it, and with it all that it started. May be called again. */
  kill(): void;
}

/** What a runner says once it runs, before it has read a line. */
export const READY = 'ready';

/** How long bubblewrap may take to start a runner that is no longer wanted, milliseconds; then it is killed as it is. */
const START_MAX_MS = 10_000;
/** How long after a program's end its last words may take, milliseconds. */
const LAST_WORDS_MS = 500;

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
  let started = false;
  let unwanted = false;
  // A write to a program that has ended closes the channel, with what it said and nobody has read yet. So nothing is sent before its
  // first word is heard: one that ends at once is then known to have started.
  const waiting: string[] = [];
  const write = (line: string): void => {
    if (channel.writable) channel.write(`${line}\n`);
  };
  const onLine = (line: string): void => {
    if (!started && line === READY) {
      started = true;
      if (unwanted) child.kill('SIGKILL');
      else for (const held of waiting.splice(0)) write(held);
    }
    if (!unwanted) listener.onLine(line);
  };
  readLines(channel, options.messageBytes, { onLine, onFlood: listener.onFlood });
  return {
    send(line) {
      if (started) write(line);
      else waiting.push(line);
    },
    ended: endingOf(child, () => stderr.trim()),
    kill() {
      if (unwanted) return;
      unwanted = true;
      // Until its runner runs, bubblewrap has not yet tied what it starts to its own life: killed then, it leaves orphans.
      if (started) child.kill('SIGKILL');
      else setTimeout(() => child.kill('SIGKILL'), START_MAX_MS).unref();
    },
  };
}

/** The streams may be held open by others for a while: a program's end is its own, not theirs. */
function endingOf(child: ChildProcess, stderr: () => string): Promise<Ending> {
  return new Promise((resolve) => {
    const end = (status: number | null, signal: NodeJS.Signals | null): void => {
      for (const stream of child.stdio) stream?.destroy();
      resolve({ status: status ?? undefined, signal: signal ?? undefined, stderr: stderr() });
    };
    child.once('error', (error) => resolve({ status: undefined, signal: undefined, stderr: error.message }));
    child.once('exit', (status, signal) => {
      const late = setTimeout(() => end(status, signal), LAST_WORDS_MS);
      child.once('close', () => {
        clearTimeout(late);
        end(status, signal);
      });
    });
  });
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
