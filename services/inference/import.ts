/**
 * Prepares a Hugging Face folder or a GGUF file for serving; `zmesh model import` starts it.
 *
 *     node dist/services/inference/import.js <folder | file.gguf> [--name N] [--adapt mlp|all] [--jobs N] [--replace] [--json]
 *
 * Progress goes to stderr; with `--json` events go to stdout, one JSON object a line (`model/import-event.ts`).
 * Exit status: 0 prepared (or current already), 1 failed, 2 wrong usage.
 */
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ZmeshError } from '#shared/errors.js';
import { zmeshHome } from '#shared/paths.js';
import { checkName } from '#shared/svf/names.js';
import type { AdaptScope } from './model/canonical.js';
import type { ImportEvent } from './model/import-event.js';
import { createImportProgress } from './model/import-progress.js';
import { prepareModel } from './model/prepare.js';
import { preparedFolder } from './model/prepared-files.js';

const USAGE =
  'usage: import <folder | file.gguf> [--name N] [--adapt mlp|all] [--jobs N] [--replace] [--json]';

interface ImportArguments {
  readonly checkpoint: string;
  readonly name: string;
  readonly adapt: AdaptScope;
  readonly jobs: number | undefined;
  readonly replace: boolean;
  readonly json: boolean;
}

async function main(argv: string[]): Promise<number> {
  let options: ImportArguments;
  try {
    options = readArguments(argv);
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n${USAGE}\n`);
    return 2;
  }
  const onEvent = options.json ? writeJson : createImportProgress(stderr);
  try {
    const { checkpoint, name, adapt, jobs, replace } = options;
    const target = preparedFolder(zmeshHome(), name);
    await prepareModel({
      checkpoint,
      name,
      target,
      adapt,
      ...(jobs === undefined ? {} : { jobs }),
      replace,
      onEvent,
    });
    return 0;
  } catch (error) {
    const { reason, message } = ZmeshError.from(error);
    onEvent({ type: 'error', reason, message });
    return 1;
  }
}

function readArguments(argv: string[]): ImportArguments {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      adapt: { type: 'string', default: 'mlp' },
      jobs: { type: 'string' },
      replace: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [checkpoint, ...others] = positionals;
  if (checkpoint === undefined || others.length > 0)
    throw new Error('exactly one folder or GGUF file is needed');
  if (values.adapt !== 'mlp' && values.adapt !== 'all') {
    throw new Error(`--adapt must be mlp or all, it is ${values.adapt}`);
  }
  const jobs = values.jobs === undefined ? undefined : Number(values.jobs);
  if (jobs !== undefined && !(Number.isInteger(jobs) && jobs >= 1 && jobs <= 256)) {
    throw new Error(`--jobs must be an integer from 1 to 256, it is ${values.jobs}`);
  }
  const name = checkName(values.name ?? nameOf(checkpoint), '--name');
  return {
    checkpoint: resolve(checkpoint),
    name,
    adapt: values.adapt,
    jobs,
    replace: values.replace,
    json: values.json,
  };
}

/** A folder's or file's name as a model's name: small letters, other characters become `-`. */
function nameOf(checkpoint: string): string {
  return basename(resolve(checkpoint))
    .toLowerCase()
    .replace(/(-00001-of-\d{5})?\.gguf$/, '')
    .replace(/[^a-z0-9._-]+/g, '-');
}

function writeJson(event: ImportEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const stderr = {
  isTerminal: process.stderr.isTTY === true,
  write: (text: string): void => {
    process.stderr.write(text);
  },
};

process.exitCode = await main(process.argv.slice(2));
