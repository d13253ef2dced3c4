import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '#shared/paths.js';

/** One line of the import program's `--json` output; the program's own types say which fields go with which type. */
export interface ImportEvent {
  readonly type: string;
  readonly name?: string;
  readonly matrices?: number;
  readonly done?: number;
  readonly total?: number;
  readonly reused?: boolean | number;
  readonly reason?: string;
  readonly message?: string;
}

/** What an event means for someone who waits; undefined if it is not worth a line. */
export function describeImport(event: ImportEvent): string | undefined {
  if (event.type === 'plan' && event.matrices)
    return `decomposing ${event.matrices} matrices${event.reused ? ` (${event.reused} are there)` : ''} …`;
  if (event.type === 'matrix') return `matrix ${event.done} of ${event.total}`;
  return undefined;
}

/** The program of the inference service that prepares models. */
export const IMPORT_ENTRY: string = join(projectRoot, 'dist/services/inference/import.js');

/**
 * Runs the import program with `args` and `--json` and tells `onEvent` each line of its output.
 * Returns its exit status; rejects if it could not be started. What it writes to stderr goes to `onLine`.
 */
export async function importModel(options: {
  readonly args: readonly string[];
  readonly home: string;
  readonly onEvent: (event: ImportEvent) => void;
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal;
}): Promise<number> {
  const { args, home, onEvent, onLine, signal } = options;
  const child = spawn(process.execPath, [IMPORT_ENTRY, ...args, '--json'], {
    env: { ...process.env, ZMESH_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const stop = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    const event = parseEvent(line);
    if (event) onEvent(event);
    else onLine(line);
  });
  createInterface({ input: child.stderr }).on('line', onLine);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 1));
    });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function parseEvent(line: string): ImportEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return value !== null && typeof value === 'object' ? (value as ImportEvent) : undefined;
  } catch {
    return undefined;
  }
}
