import type { AdaptScope } from './model/canonical.js';

/** Options of every program that prepares a model, for `parseArgs`. */
export const IMPORT_OPTIONS = {
  name: { type: 'string' },
  adapt: { type: 'string', default: 'mlp' },
  jobs: { type: 'string' },
  replace: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** These options, checked. */
export interface ImportOptions {
  readonly adapt: AdaptScope;
  /** Left out = by cores and memory. */
  readonly jobs?: number;
  readonly replace: boolean;
  readonly json: boolean;
}

/** Checks what `parseArgs` read. Throws an Error with one sentence. */
export function readImportOptions(values: {
  readonly adapt: string;
  readonly jobs?: string | undefined;
  readonly replace: boolean;
  readonly json: boolean;
}): ImportOptions {
  const { adapt, replace, json } = values;
  if (adapt !== 'mlp' && adapt !== 'all') throw new Error(`--adapt must be mlp or all, it is ${adapt}`);
  if (values.jobs === undefined) return { adapt, replace, json };
  const jobs = Number(values.jobs);
  if (!(Number.isInteger(jobs) && jobs >= 1 && jobs <= 256))
    throw new Error(`--jobs must be an integer from 1 to 256, it is ${values.jobs}`);
  return { adapt, jobs, replace, json };
}

/** A folder's, file's or repository's name as a model's name: small letters, other characters become `-`. */
export function modelNameOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/(-00001-of-\d{5})?\.gguf$/, '')
    .replace(/[^a-z0-9._-]+/g, '-');
}

/** Writes an event to stdout, one JSON object a line. */
export function writeJsonEvent(event: { readonly type: string }): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Where progress for people goes. */
export const stderrOutput = {
  isTerminal: process.stderr.isTTY === true,
  write: (text: string): void => {
    process.stderr.write(text);
  },
};
