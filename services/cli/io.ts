import type { Readable, Writable } from 'node:stream';

/** What a command may touch of the world. */
export interface Io {
  /** Results. */
  readonly out: Writable;
  /** Progress, hints and errors. */
  readonly err: Writable;
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly env: NodeJS.ProcessEnv;
  /** Width of the terminal in cells; 100 where there is none. */
  readonly columns: number;
  /** Height of the terminal that results go to; undefined where there is none. */
  readonly rows: number | undefined;
  /** True if results go to a terminal that takes colours. */
  readonly colour: boolean;
  /** True if stderr is a terminal: progress may draw over itself. */
  readonly live: boolean;
  /** Aborts at Ctrl-C, except in commands that deal with it by themselves. */
  readonly signal: AbortSignal;
  /** Calls `handler` at each Ctrl-C until the returned function is called. */
  onInterrupt(handler: () => void): () => void;
}

/** The process's own streams; colours only on a terminal and without `NO_COLOR`. */
export function processIo(signal: AbortSignal): Io {
  const { stdout, stderr, stdin, env } = process;
  return {
    out: stdout,
    err: stderr,
    input: stdin,
    env,
    get columns() {
      return stdout.columns || 100;
    },
    get rows() {
      return stdout.isTTY ? stdout.rows || 24 : undefined;
    },
    colour: stdout.isTTY === true && !env.NO_COLOR,
    live: stderr.isTTY === true,
    signal,
    onInterrupt(handler) {
      process.on('SIGINT', handler);
      return () => process.off('SIGINT', handler);
    },
  };
}
