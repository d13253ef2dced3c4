import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A prepared model on this machine's disk. */
export interface PreparedOnDisk {
  readonly name: string;
  readonly folder: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly contextLength: number;
  readonly adapted: number;
  readonly fingerprint: string;
  /** Bytes of its files. */
  readonly bytes: number;
}

/** Prepared models under a home, by name. Unfinished ones (without model.json) are left out. */
export function preparedModels(home: string): PreparedOnDisk[] {
  const models = join(home, 'models');
  if (!existsSync(models)) return [];
  return readdirSync(models)
    .sort()
    .flatMap((name) => {
      const folder = join(models, name);
      const file = join(folder, 'model.json');
      return existsSync(file) ? [describe(folder, JSON.parse(readFileSync(file, 'utf8')))] : [];
    });
}

function describe(
  folder: string,
  model: {
    name: string;
    config: { architecture: string; contextLength: number };
    parameters: number;
    adapted: readonly unknown[];
    fingerprint: string;
  },
): PreparedOnDisk {
  const { name, parameters, adapted, fingerprint } = model;
  const { architecture, contextLength } = model.config;
  const bytes = folderBytes(folder);
  return {
    name,
    folder,
    architecture,
    parameters,
    contextLength,
    adapted: adapted.length,
    fingerprint,
    bytes,
  };
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
