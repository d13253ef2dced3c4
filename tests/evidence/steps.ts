import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Measurements that are kept on disk one by one, so that an interrupted evidence run goes on where it was. */
export interface Steps {
  /** Measures once: what was measured before under this name is read back. */
  once<T>(name: string, measure: () => Promise<T>): Promise<T>;
  /** The same, but undefined where it fails: that is said, and the others go on. */
  tried<T>(name: string, measure: () => Promise<T>): Promise<T | undefined>;
  /** The same as `tried`, but undefined too where the time is up before it began. */
  ifTime<T>(name: string, measure: () => Promise<T>): Promise<T | undefined>;
}

/** Where measurements are kept and how long there is. */
export interface StepsOptions {
  readonly folder: string;
  /** How many there are, for the lines alone. */
  readonly total: number;
  /** Hears a line for each that is made. */
  readonly say: (line: string) => void;
  /** Aborted where the whole run is stopped. */
  readonly signal: AbortSignal;
  /** Minutes from now after which `ifTime` begins nothing more. Default: no limit. */
  readonly minutes?: number | undefined;
}

/** Keeps measurements as JSON files in a folder. */
export function createSteps({ folder, total, say, signal, minutes }: StepsOptions): Steps {
  mkdirSync(folder, { recursive: true });
  let done = 0;
  const beganMs = performance.now();
  const fileOf = (name: string): string => join(folder, `${name.replaceAll(/[^\w.-]+/g, '_')}.json`);
  const once = async <T>(name: string, measure: () => Promise<T>): Promise<T> => {
    const before = read<T>(fileOf(name));
    if (before !== undefined) {
      done += 1;
      return before;
    }
    const startMs = performance.now();
    const found = await measure();
    done += 1;
    writeFileSync(`${fileOf(name)}.tmp`, JSON.stringify(found));
    renameSync(`${fileOf(name)}.tmp`, fileOf(name));
    const seconds = (from: number): string => `${((performance.now() - from) / 1000).toFixed(0)} s`;
    say(`${String(done).padStart(4)}/${total}  ${name}  ${seconds(startMs)}, ${seconds(beganMs)} in all`);
    return found;
  };
  const tried: Steps['tried'] = async (name, measure) => {
    try {
      return await once(name, measure);
    } catch (error) {
      signal.throwIfAborted();
      say(`failed: ${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  return {
    once,
    tried,
    async ifTime(name, measure) {
      const late = minutes !== undefined && performance.now() - beganMs > 60_000 * minutes;
      if (late && read(fileOf(name)) === undefined) {
        say(`not measured, the time is up: ${name}`);
        return undefined;
      }
      return tried(name, measure);
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
