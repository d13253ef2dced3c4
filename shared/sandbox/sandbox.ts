import { lstat, readlink } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ZmeshError } from '../errors.js';
import { projectRoot } from '../paths.js';
import { startBoxed } from './boxed-process.js';
import { boxedCommand, type SandboxTools } from './command.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { findProgram, findRuntime, type Language, type Runtime } from './runtimes.js';
import { isMachine, seccompFilter } from './seccomp.js';
import { createSlots } from './slots.js';
import { runTrial, SandboxFailure, type Start, type TrialResult, type TrialTask } from './trial.js';

/** Runs programs that nobody has read. */
export interface Sandbox {
  /** Tests an answer's program. Waits while `concurrency` others run. Throws SANDBOX_UNAVAILABLE. */
  run(language: Language, task: TrialTask, signal?: AbortSignal): Promise<TrialResult>;
}

/** How the sandbox is made. */
export interface SandboxOptions {
  /** Languages that are needed. */
  readonly languages: readonly Language[];
  /** Limits that differ from `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** Trials at once. Default: one a processor. */
  readonly concurrency?: number;
  /** Where programs are looked for. Default the process's own. */
  readonly env?: NodeJS.ProcessEnv;
}

const RUNNERS = join(projectRoot, 'shared/sandbox/runners');
const SYSTEM_FOLDERS = ['/lib', '/lib64'];
/** An answer that a sandbox in order gets right. */
const PROBES: Readonly<Record<Language, TrialTask>> = {
  python: {
    judge: JSON.stringify({ kind: 'tests', names: ['one'], prompt: '', tests: 'assert one() == 1' }),
    candidate: JSON.stringify({ program: 'def one(): return 1' }),
  },
  javascript: {
    judge: JSON.stringify({ kind: 'tests', names: ['one'], prompt: '', tests: 'assert(one() === 1)' }),
    candidate: JSON.stringify({ program: 'function one() { return 1; }' }),
  },
};

/**
 * Makes the sandbox ready and tries it once in every language that is needed. Throws SANDBOX_UNAVAILABLE, with what is
 * missing and the line that installs it or what forbids it, where programs could not be kept in: they are then not run.
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const filter = machineFilter();
  const tools = await findTools(options.env ?? process.env);
  const runtimes = new Map<Language, Runtime>();
  for (const language of options.languages) {
    const runtime = await findRuntime(language, limits.memoryBytes);
    if (!runtime) throw unavailable('there is no Python 3', 'apt-get install python3');
    runtimes.set(language, runtime);
  }
  const slots = createSlots(options.concurrency ?? availableParallelism());
  const runUnder = (
    own: Limits,
    language: Language,
    task: TrialTask,
    signal?: AbortSignal,
  ): Promise<TrialResult> => {
    const runtime = runtimes.get(language);
    if (!runtime) throw new RangeError(`the sandbox was not opened for ${language}`);
    const start: Start = (runner, listener) =>
      startBoxed(
        boxedCommand(tools, { runtime, limits: own, runners: RUNNERS, runner }),
        { filter, messageBytes: own.messageBytes },
        listener,
      );
    return slots.use(signal, async () => {
      try {
        return await runTrial(task, own, start, signal);
      } catch (error) {
        throw error instanceof SandboxFailure ? unavailable(error.message, hintFor(error.message)) : error;
      }
    });
  };
  // A busy machine must not be taken for one without a sandbox.
  const patient = { ...limits, wallMs: Math.max(limits.wallMs, DEFAULT_LIMITS.wallMs) };
  for (const language of runtimes.keys()) {
    const { passed, detail } = await runUnder(patient, language, PROBES[language]);
    if (!passed) throw unavailable(`a trial run in ${language} failed: ${detail}`, hintFor(detail));
  }
  return { run: async (language, task, signal) => await runUnder(limits, language, task, signal) };
}

function machineFilter(): Buffer {
  if (process.platform === 'linux' && isMachine(process.arch)) return seccompFilter(process.arch);
  throw unavailable(
    `it needs Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`,
    'run zmesh in a Linux machine',
  );
}

async function findTools(env: NodeJS.ProcessEnv): Promise<SandboxTools> {
  const [bwrap, prlimit] = await Promise.all([findProgram('bwrap', env), findProgram('prlimit', env)]);
  if (!bwrap) throw unavailable('bubblewrap (bwrap) is not installed', 'apt-get install bubblewrap');
  if (!prlimit) throw unavailable('prlimit is not installed', 'apt-get install util-linux');
  const systemFolders = [];
  for (const path of SYSTEM_FOLDERS) {
    const kind = await lstat(path).catch(() => undefined);
    if (kind) systemFolders.push({ path, target: kind.isSymbolicLink() ? await readlink(path) : undefined });
  }
  return { bwrap, prlimit, systemFolders };
}

/** What helps against bubblewrap's usual complaints. */
function hintFor(complaint: string): string {
  if (/uid map|user namespace|CLONE_NEWUSER|No permissions to create/i.test(complaint))
    return 'let users make name spaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or user.max_user_namespaces=10000; in a container: --security-opt seccomp=unconfined';
  if (/Operation not permitted|Permission denied/i.test(complaint))
    return 'in a container, allow name spaces and mounts: --security-opt seccomp=unconfined --security-opt apparmor=unconfined';
  return 'apt-get install bubblewrap util-linux';
}

function unavailable(why: string, remedy: string): ZmeshError {
  return new ZmeshError(
    'SANDBOX_UNAVAILABLE',
    `programs of answers cannot be run here: ${why}. They are never run unprotected. Remedy: ${remedy}`,
    { names: { remedy } },
  );
}
