import { PassThrough, Readable } from 'node:stream';
import type { Io } from '#services/cli/io.js';

/** An Io that remembers what was written. */
export function fakeIo(
  options: { readonly input?: string | Readable; readonly env?: NodeJS.ProcessEnv } = {},
): Io & {
  readonly written: () => string;
  readonly complained: () => string;
  /** A Ctrl-C. */
  readonly interrupt: () => void;
} {
  const out = new PassThrough();
  const err = new PassThrough();
  const collect = (stream: PassThrough): (() => string) => {
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    return () => text;
  };
  const written = collect(out);
  const complained = collect(err);
  const given = options.input;
  const input: Io['input'] =
    given instanceof Readable ? given : Readable.from(given === undefined ? [] : [Buffer.from(given)]);
  const handlers = new Set<() => void>();
  return {
    out,
    err,
    input,
    env: options.env ?? {},
    columns: 100,
    rows: undefined,
    colour: false,
    live: false,
    signal: new AbortController().signal,
    onInterrupt(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    interrupt() {
      for (const handler of handlers) handler();
    },
    written,
    complained,
  };
}
