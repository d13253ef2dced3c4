import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import type { Cleanup } from './cleanup.js';

/** A finished program. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A program that runs, with what it wrote so far. */
export interface Running {
  readonly child: ChildProcess;
  out(): string;
  err(): string;
  readonly finished: Promise<Finished>;
  /** Resolves when `pattern` is in its stdout; rejects when it ends first or after `limitMs` (default 120 s). */
  says(pattern: RegExp, limitMs?: number): Promise<void>;
}

/** A home of zmesh for one test file: its own folder, the project's nats-server, ports that are free. */
export interface TestHome {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  /** Starts a Node program of the project, given by its path from the root. */
  start(program: string, args?: readonly string[], env?: NodeJS.ProcessEnv): Running;
  /** Starts a program in the project's folder, in a process group of its own as a terminal does. */
  group(program: string, args: readonly string[]): Running;
  /** Runs `zmesh …` to its end. */
  zmesh(...args: readonly string[]): Promise<Finished>;
  /** Ids of processes that were started with this home. */
  processes(): number[];
}

/** Makes a home that is removed in the end, with whatever still runs in it. */
export async function testHome(t: Cleanup): Promise<TestHome> {
  const path = mkdtempSync(join(tmpdir(), 'zmesh-home-'));
  const nats = await ensureNatsServer({
    home: zmeshHome(),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  const { NODE_TEST_CONTEXT: _, NO_COLOR: __, ...outer } = process.env;
  const env: NodeJS.ProcessEnv = { ...outer, ZMESH_HOME: path, ZMESH_NATS_SERVER: nats.path };
  const processes = (): number[] => processesWith(`ZMESH_HOME=${path}`);
  t.after(async () => {
    // Again and again: one that dies may just have started another one.
    await eventually(`all processes of ${path} are gone`, () => {
      const left = processes();
      for (const pid of left) kill(pid);
      return left.length === 0;
    });
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  });
  const start: TestHome['start'] = (program, args = [], extra = {}) =>
    run(
      spawn(process.execPath, [join(projectRoot, program), ...args], {
        env: { ...env, ...extra },
        stdio: 'pipe',
      }),
    );
  return {
    path,
    env,
    start,
    group: (program, args) =>
      run(spawn(program, args, { cwd: projectRoot, env, stdio: 'pipe', detached: true })),
    zmesh(...args) {
      const running = start('dist/services/cli/main.js', args);
      running.child.stdin?.end();
      return running.finished;
    },
    processes,
  };
}

/** Waits until `condition` holds; throws `what` after `limitMs`. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  for (
    const giveUp = Date.now() + limitMs;
    !(await condition());
    await new Promise((go) => setTimeout(go, 50))
  )
    if (Date.now() > giveUp) throw new Error(`not after ${limitMs} ms: ${what}`);
}

function run(child: ChildProcess): Running {
  let out = '';
  let err = '';
  let ended = false;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      ended = true;
      resolve({ code, signal, out, err });
    });
  });
  return {
    child,
    out: () => out,
    err: () => err,
    finished,
    async says(pattern, limitMs = 120_000) {
      await eventually(`${pattern} in\n${out}\n${err}`, () => pattern.test(out) || ended, limitMs).catch(
        () => {},
      );
      if (!pattern.test(out))
        throw new Error(`${ended ? 'ended' : 'waited'} without ${pattern}:\n${out}\n${err}`);
    },
  };
}

/** Ids of processes whose environment holds an entry. Reads /proc; elsewhere it asks `ps`. */
function processesWith(entry: string): number[] {
  if (process.platform !== 'linux') return processesByPs(entry);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(entry);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function processesByPs(entry: string): number[] {
  const lines = execFileSync('ps', ['-axEww', '-o', 'pid=,command='], { encoding: 'utf8' }).split('\n');
  return lines
    .filter((line) => line.includes(entry))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
