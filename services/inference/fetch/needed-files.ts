import { basename } from 'node:path/posix';
import { ZmeshError } from '#shared/errors.js';
import { partPaths } from '../model/gguf/checkpoint.js';
import { KEPT_FILES } from '../model/source.js';
import type { HubFile } from './hub.js';

/** The list of shards of a model whose weights are in several files. */
export const INDEX_FILE = 'model.safetensors.index.json';

const WHOLE_FILE = 'model.safetensors';
/** File names told in an error; the rest is counted. */
const NAMES_SHOWN = 12;

/** How a repository's weights are kept: one file, or shards that an index lists. */
export type WeightLayout = 'whole' | 'sharded';

/**
 * How the weights of a repository with config.json are kept.
 * @throws ZmeshError INVALID_FIELD if it is no checkpoint that can be imported; GGUF files that could be taken are named.
 */
export function weightLayout(name: string, files: readonly HubFile[]): WeightLayout {
  const names = new Set(files.map(({ path }) => path));
  if (names.has('config.json') && names.has(WHOLE_FILE)) return 'whole';
  if (names.has('config.json') && names.has(INDEX_FILE)) return 'sharded';
  const missing = names.has('config.json') ? `${WHOLE_FILE} (nor ${INDEX_FILE})` : 'config.json';
  const ggufs = [...names].filter((path) => /\.gguf$/i.test(path)).sort();
  const hint = ggufs.length > 0 ? `; take one of its GGUF files with --file: ${shorten(ggufs)}` : '';
  throw new ZmeshError('INVALID_FIELD', `${name} cannot be imported: it has no ${missing}${hint}`, {
    field: 'model',
    value: name,
  });
}

/** The files of a repository that an import reads, and no others. `shards` are those that its index names. */
export function neededFiles(
  name: string,
  files: readonly HubFile[],
  shards: readonly string[] | null,
): readonly HubFile[] {
  const optional = [...KEPT_FILES, 'zmesh.json'];
  const required = ['config.json', ...(shards === null ? [WHOLE_FILE] : [INDEX_FILE, ...shards])];
  const there = new Map(files.map((file) => [file.path, file]));
  return [...optional.filter((path) => there.has(path)), ...required].map((path) => pick(there, path, name));
}

/** A GGUF file of a repository, with the other parts if it is split. @throws ZmeshError INVALID_FIELD. */
export function ggufFiles(name: string, files: readonly HubFile[], path: string): readonly HubFile[] {
  const there = new Map(files.map((file) => [file.path, file]));
  return partPaths(path).map((part) => pick(there, part.replaceAll('\\', '/'), name));
}

function pick(there: ReadonlyMap<string, HubFile>, path: string, name: string): HubFile {
  const file = there.get(path);
  if (file) return file;
  const extension = path.slice(path.lastIndexOf('.'));
  const similar = [...there.keys()].filter((other) => other.endsWith(extension)).sort();
  const hint = similar.length > 0 ? `; it has ${shorten(similar)}` : '';
  throw new ZmeshError('INVALID_FIELD', `${name} has no file ${path}${hint}`, { field: 'file', value: path });
}

/** The name under which a file of the repository is kept: folders are left out. */
export const localName = ({ path }: HubFile): string => basename(path);

function shorten(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
