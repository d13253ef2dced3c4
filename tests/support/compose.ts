import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '#shared/paths.js';

/** A service of docker-compose.yml, as far as our tests look at it. */
export interface ComposeService {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly build?: { readonly dockerfile: string };
}

/** docker-compose.yml. */
export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** Reads docker-compose.yml, merge keys applied. */
export function readCompose(): ComposeFile {
  return parse(readFileSync(join(projectRoot, 'docker-compose.yml'), 'utf8'), { merge: true }) as ComposeFile;
}

/** What one service of docker-compose.yml sets, with `${NAME:-default}` as its default. */
export function environmentOf(service: ComposeService): Record<string, string> {
  return Object.fromEntries(
    Object.entries(service.environment ?? {}).map(([name, value]) => [
      name,
      value.replace(/\$\{\w+:-([^}]*)\}/g, '$1'),
    ]),
  );
}
