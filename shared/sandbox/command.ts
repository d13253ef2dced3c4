import type { Limits } from './limits.js';
import type { Runtime } from './runtimes.js';

/** Descriptors that the sandbox's programs are started with, beside 0 to 2. */
export const [CHANNEL_FD, SECCOMP_FD] = [3, 4];

/** The programs that make the sandbox, as found on this machine. */
export interface SandboxTools {
  /** bubblewrap: name spaces and the empty file system. */
  readonly bwrap: string;
  /** util-linux's prlimit: limits that the program inside cannot raise. */
  readonly prlimit: string;
  /** How `/lib` and the like are there: a link's target, or undefined for a folder. */
  readonly systemFolders: readonly { readonly path: string; readonly target: string | undefined }[];
}

/** One program to run. */
export interface BoxedProgram {
  readonly runtime: Runtime;
  readonly limits: Limits;
  /** Folder with the runners; inside it is `/runner`. */
  readonly runners: string;
  /** Which of them: `judge` or `candidate`. */
  readonly runner: string;
}

/**
 * The command line that runs a runner in the sandbox: own user, process, network, IPC, host and cgroup name spaces without a
 * capability; an empty read-only file system with the system's libraries, the interpreter, the runners and `/dev/null`;
 * no `/proc`; no environment; limits on processor time, memory, files, threads; and the system call filter on
 * `SECCOMP_FD`. The program speaks on `CHANNEL_FD` alone. It dies with zmesh.
 */
export function boxedCommand(tools: SandboxTools, program: BoxedProgram): string[] {
  const { runtime, runners, runner } = program;
  const executable = `/runtime/${runtime.executable.split('/').at(-1)}`;
  return [
    tools.bwrap,
    ...['--unshare-all', '--die-with-parent', '--new-session', '--hostname', 'sandbox', '--clearenv'],
    ...['--uid', '65534', '--gid', '65534', '--cap-drop', 'ALL'],
    ...Object.entries(runtime.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--ro-bind', '/usr/lib', '/usr/lib', '--ro-bind-try', '/usr/lib64', '/usr/lib64'],
    ...tools.systemFolders.flatMap(({ path, target }) =>
      target === undefined ? ['--ro-bind', path, path] : ['--symlink', target, path],
    ),
    ...['--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache'],
    ...runtime.reads.flatMap((path) => ['--ro-bind', path, path]),
    ...['--ro-bind', runtime.executable, executable],
    ...['--ro-bind', tools.prlimit, '/runtime/prlimit', '--ro-bind', runners, '/runner'],
    ...['--dev-bind', '/dev/null', '/dev/null', '--remount-ro', '/', '--chdir', '/'],
    ...['--seccomp', String(SECCOMP_FD), '--', '/runtime/prlimit'],
    ...limitArgs(program),
    ...['--', runtime.reads.length === 0 ? executable : runtime.executable, ...runtime.args],
    `/runner/${runner}.${runtime.ending}`,
  ];
}

function limitArgs({ runtime, limits }: BoxedProgram): string[] {
  return [
    `--cpu=${limits.cpuSeconds}`,
    `--data=${limits.memoryBytes + runtime.reservedBytes}`,
    ...(runtime.reservesAddresses ? [] : [`--as=${limits.memoryBytes}`]),
    `--nofile=${limits.files}`,
    `--nproc=${limits.threads}`,
    '--fsize=0',
    '--core=0',
    '--memlock=0',
  ];
}
