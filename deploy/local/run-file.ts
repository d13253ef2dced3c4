import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStart } from './process-identity.js';

/** One process of a local mesh. */
export interface RunProcess {
  readonly name: string;
  readonly pid: number;
  /** `host:port` or a URL; absent if it cannot be called. */
  readonly address?: string;
  /** Where its metrics and probes are, `host:port`; absent if it has none. */
  readonly http?: string;
  /** Its log file. */
  readonly log: string;
}

/** The state of a local mesh, in `<home>/run.json` while it runs. */
export interface RunState {
  readonly format: 1;
  /** Process id of the runner. */
  readonly pid: number;
  /** When that process began, see processStart: tells a stale file from a live one. */
  readonly started: string;
  /** ISO time. */
  readonly since: string;
  readonly phase: 'starting' | 'ready';
  readonly processes: readonly RunProcess[];
}

/** The runner's hold on the run file. */
export interface RunClaim {
  /** Replaces what the file says, atomically. */
  update(change: Pick<RunState, 'phase' | 'processes'>): void;
  /** Removes the file. */
  release(): void;
}

/** Where the run file of a home lies. */
export function runFilePath(home: string): string {
  return join(home, 'run.json');
}

/** What runs in this home; undefined if nothing does, whatever a dead run left behind. */
export function readRun(home: string): RunState | undefined {
  const state = readState(runFilePath(home));
  return state && processStart(state.pid) === state.started ? state : undefined;
}

/**
 * Claims the home for this process. A dead run's file is taken over, and `say` hears of it.
 * Throws with one line if a mesh already runs here.
 */
export function claimRun(home: string, say: (line: string) => void): RunClaim {
  mkdirSync(home, { recursive: true });
  const path = runFilePath(home);
  let state: RunState = {
    format: 1,
    pid: process.pid,
    started: processStart(process.pid) ?? '',
    since: new Date().toISOString(),
    phase: 'starting',
    processes: [],
  };
  const own = `${path}.${process.pid}`;
  writeFileSync(own, JSON.stringify(state));
  try {
    while (!link(own, path)) {
      const running = readRun(home);
      if (running)
        throw new Error(
          `the mesh is already running (process ${running.pid}): see "zmesh status", stop it with "zmesh down"`,
        );
      takeOver(path, say);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return {
    update(change) {
      state = { ...state, ...change };
      writeFileSync(own, `${JSON.stringify(state, null, 2)}\n`);
      renameSync(own, path);
    },
    release() {
      if (readState(path)?.pid === process.pid) rmSync(path, { force: true });
    },
  };
}

/** Two runners may find the same dead file: whoever caught a younger one with the rename puts it back. */
function takeOver(path: string, say: (line: string) => void): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    const caught = readState(aside);
    if (caught && processStart(caught.pid) === caught.started) link(aside, path);
    else say('an earlier run ended without cleaning up; its run file is taken over');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readState(path: string): RunState | undefined {
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as RunState;
    return state.format === 1 ? state : undefined;
  } catch {
    return undefined;
  }
}
