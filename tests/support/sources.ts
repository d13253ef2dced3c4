import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { projectRoot } from '#shared/paths.js';

/** One TypeScript source of the project. */
export interface Source {
  /** Path from the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
  /** What it imports, as written; type-only imports are marked. */
  readonly imports: readonly { readonly from: string; readonly typeOnly: boolean }[];
}

const NOT_OURS: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.zmesh', 'gen']);

/** Paths of all files of a checkout that are ours, from the project's root. */
export function projectFiles(folder: string = projectRoot): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (NOT_OURS.has(entry.name)) return [];
    if (entry.isDirectory()) return projectFiles(path);
    return entry.isFile() ? [relative(projectRoot, path).replaceAll('\\', '/')] : [];
  });
}

/** All TypeScript sources. */
export function readSources(): Source[] {
  return projectFiles()
    .filter((path) => path.endsWith('.ts'))
    .map((path) => {
      const text = readFileSync(join(projectRoot, path), 'utf8');
      return { path, text, imports: importsOf(text) };
    });
}

/** The source that an import of ours means, from the project's root; undefined for foreign ones. */
export function resolveImport(source: string, from: string): string | undefined {
  const target = from.startsWith('.')
    ? posix.join(posix.dirname(source), from)
    : from.startsWith('#proto/')
      ? from.replace('#proto/', 'proto/gen/')
      : from.startsWith('#')
        ? from.slice(1)
        : undefined;
  return target?.replace(/\.js$/, '.ts');
}

function importsOf(text: string): Source['imports'] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm);
  const dynamic = text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g);
  return [
    ...[...statements].map(([, type, from = '']) => ({ from, typeOnly: type !== undefined })),
    ...[...dynamic].map(([, from = '']) => ({ from, typeOnly: false })),
  ];
}
