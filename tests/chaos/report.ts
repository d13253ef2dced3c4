import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zmeshHome } from '#shared/paths.js';

/** What a long test found, told as it comes and kept in a file. */
export interface Report {
  /** Tells one line. */
  say(line: string): void;
  /** Tells what is not as it must be. */
  fault(line: string): void;
  /** A fault unless `holds`. */
  check(holds: boolean, line: string): void;
  readonly faults: readonly string[];
  /** Writes `<ZMESH_HOME>/reports/<name>-<time>.txt` and returns its path; what is told later is told to nobody. */
  keep(): string;
}

/** An empty report; `name` begins the name of its file. */
export function createReport(name: string): Report {
  const startMs = performance.now();
  const since = new Date().toISOString();
  const lines: string[] = [];
  const faults: string[] = [];
  let kept = false;
  const say = (line: string): void => {
    if (kept) return;
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0).padStart(4);
    lines.push(`${seconds} s  ${line}`);
    process.stdout.write(`${lines.at(-1)}\n`);
  };
  const fault = (line: string): void => {
    faults.push(line);
    say(`FAULT: ${line}`);
  };
  return {
    say,
    fault,
    faults,
    check(holds, line) {
      if (!holds) fault(line);
    },
    keep() {
      kept = true;
      const folder = join(zmeshHome(), 'reports');
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `${name}-${since.replaceAll(/[:.]/g, '-')}.txt`);
      writeFileSync(file, `${name}, ${since}\n${lines.join('\n')}\n`);
      return file;
    },
  };
}
