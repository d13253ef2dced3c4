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
import {
  IMPORT_OPTIONS,
  type ImportOptions,
  modelNameOf,
  readImportOptions,
  stderrOutput,
  writeJsonEvent,
} from './import-options.js';
import { createImportProgress } from './model/import-progress.js';
import { prepareModel } from './model/prepare.js';
import { preparedFolder } from './model/prepared-files.js';

const USAGE =
  'usage: import <folder | file.gguf> [--name N] [--adapt mlp|all] [--jobs N] [--replace] [--json]';

interface ImportArguments extends ImportOptions {
  readonly checkpoint: string;
  readonly name: string;
}

async function main(argv: string[]): Promise<number> {
  let options: ImportArguments;
  try {
    options = readArguments(argv);
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n${USAGE}\n`);
    return 2;
  }
  const { json, ...what } = options;
  const onEvent = json ? writeJsonEvent : createImportProgress(stderrOutput);
  try {
    await prepareModel({ ...what, target: preparedFolder(zmeshHome(), what.name), onEvent });
    return 0;
  } catch (error) {
    const { reason, message } = ZmeshError.from(error);
    onEvent({ type: 'error', reason, message });
    return 1;
  }
}

function readArguments(argv: string[]): ImportArguments {
  const { values, positionals } = parseArgs({ args: argv, allowPositionals: true, options: IMPORT_OPTIONS });
  const [checkpoint, ...others] = positionals;
  if (checkpoint === undefined || others.length > 0)
    throw new Error('exactly one folder or GGUF file is needed');
  const options = readImportOptions(values);
  const name = checkName(values.name ?? modelNameOf(basename(resolve(checkpoint))), '--name');
  return { ...options, checkpoint: resolve(checkpoint), name };
}

process.exitCode = await main(process.argv.slice(2));
