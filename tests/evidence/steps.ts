import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Measurements that are kept on disk one by one, so that an interrupted evidence run goes on where it was. */
export interface Steps {
  /** Measures once: what was measured before under this name is read back. */
  once<T>(name: string, measure: () => Promise<T>): Promise<T>;
}

/** Keeps measurements as JSON files in a folder; `say` hears a line for each that is made. `total` is for the line alone. */
export function createSteps(folder: string, total: number, say: (line: string) => void): Steps {
  mkdirSync(folder, { recursive: true });
  let done = 0;
  const beganMs = performance.now();
  return {
    async once<T>(name: string, measure: () => Promise<T>): Promise<T> {
      done += 1;
      const file = join(folder, `${name.replaceAll(/[^\w.-]+/g, '_')}.json`);
      const before = read<T>(file);
      if (before !== undefined) return before;
      const startMs = performance.now();
      const found = await measure();
      writeFileSync(`${file}.tmp`, JSON.stringify(found));
      renameSync(`${file}.tmp`, file);
      const seconds = (from: number): string => `${((performance.now() - from) / 1000).toFixed(0)} s`;
      say(`${String(done).padStart(4)}/${total}  ${name}  ${seconds(startMs)}, ${seconds(beganMs)} in all`);
      return found;
    },
  };
}

function read<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
