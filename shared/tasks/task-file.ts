import type { TaskDefaults } from './defaults.js';
import { budgetFault, fieldFaults, type Json } from './item-faults.js';
import { throwFaults } from './parse.js';
import { readText } from './read-text.js';
import { SPLITS, type Split } from './task.js';

const FIELDS = [
  '$schema',
  'name',
  'description',
  'system',
  'template',
  'max_tokens',
  'verifier',
  'shared_prompts',
  'source',
];
const SOURCE_FIELDS = ['layout', 'path', 'files', 'rule', 'extraction', 'tests'];

/** Where a task's questions come from, if not from files in zmesh's own form. Checked by the layouts. */
export interface TaskSource {
  readonly layout?: string;
  readonly path?: string;
  readonly files?: Readonly<Partial<Record<Split, string>>>;
  readonly rule?: string;
  readonly extraction?: string;
  readonly tests?: string;
}

/** What `task.json` says. */
export interface TaskFile extends TaskDefaults {
  /** Default: the folder's name. */
  readonly name: string | undefined;
  /** True if splits may hold the same prompt: then results on test say less. Default false. */
  readonly sharedPrompts: boolean;
  readonly source: TaskSource | undefined;
}

/** A folder without `task.json`. */
export const NO_TASK_FILE: TaskFile = { name: undefined, sharedPrompts: false, source: undefined };

/** Reads `task.json`; a file that does not exist says nothing. Throws INVALID_FIELD with every fault as `path: what`. */
export async function readTaskFile(path: string): Promise<TaskFile> {
  const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return NO_TASK_FILE;
  const json = parse(text, path);
  throwFaults(faultsOf(json).map((fault) => `${path}: ${fault}`));
  return {
    name: json.name as string | undefined,
    system: json.system as string | undefined,
    template: json.template as string | undefined,
    maxTokens: json.max_tokens as number | undefined,
    verifier: json.verifier as Json | undefined,
    sharedPrompts: json.shared_prompts === true,
    source: json.source as TaskSource | undefined,
  };
}

/** What is wrong with a template; undefined = nothing. */
export function templateFault(template: string): string | undefined {
  const places = template.split('{prompt}').length - 1;
  return places === 1 ? undefined : `template must hold {prompt} once, not ${places} times`;
}

function parse(text: string, path: string): Json {
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json;
  } catch (error) {
    throwFaults([`${path}: is not JSON: ${(error as Error).message}`]);
  }
  throwFaults([`${path}: must be a JSON object`]);
  return {};
}

function faultsOf(json: Json): string[] {
  const faults = fieldFaults(json, FIELDS);
  const { name, template, source, verifier } = json;
  for (const field of ['$schema', 'description', 'system', 'template'])
    if (json[field] !== undefined && typeof json[field] !== 'string') faults.push(`${field} must be a text`);
  if (name !== undefined && !(typeof name === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)))
    faults.push('name must be 1 to 64 of a-z, 0-9, ".", "_", "-", beginning with a letter or digit');
  if (json.shared_prompts !== undefined && typeof json.shared_prompts !== 'boolean')
    faults.push('shared_prompts must be true or false');
  if (verifier !== undefined && !isObject(verifier)) faults.push('verifier must be an object');
  const more = [
    budgetFault(json.max_tokens),
    typeof template === 'string' ? templateFault(template) : undefined,
  ];
  faults.push(...more.filter((fault) => fault !== undefined));
  if (source !== undefined) faults.push(...sourceFaults(source));
  return faults;
}

function sourceFaults(source: unknown): string[] {
  if (!isObject(source)) return ['source must be an object'];
  const faults = fieldFaults(source, SOURCE_FIELDS).map((fault) => `source: ${fault}`);
  for (const field of SOURCE_FIELDS.filter((name) => name !== 'files'))
    if (source[field] !== undefined && typeof source[field] !== 'string')
      faults.push(`source.${field} must be a text`);
  const { files } = source;
  if (files === undefined) return faults;
  if (!isObject(files) || !Object.values(files).every((file) => typeof file === 'string'))
    return [...faults, 'source.files must give the path of each split'];
  return [...faults, ...fieldFaults(files, SPLITS).map((fault) => `source.files: ${fault}`)];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
