import { PassThrough, Readable } from 'node:stream';
import type { Io } from '#services/cli/io.js';

/** An Io that remembers what was written. */
export function fakeIo(options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {}): Io & {
  readonly written: () => string;
  readonly complained: () => string;
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
  const input: Io['input'] = Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]);
  return {
    out,
    err,
    input,
    env: options.env ?? {},
    columns: 100,
    colour: false,
    live: false,
    signal: new AbortController().signal,
    written,
    complained,
  };
}
