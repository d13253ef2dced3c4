import { execFile } from 'node:child_process';
import { access, constants, realpath } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** Languages whose programs can be run. */
export const LANGUAGES = ['python', 'javascript'] as const;

/** One of them. */
export type Language = (typeof LANGUAGES)[number];

/** What runs programs of a language. */
export interface Runtime {
  /** Path of the interpreter, without links. */
  readonly executable: string;
  /** Files and folders that it reads, beside the system's libraries. */
  readonly reads: readonly string[];
  /** Its arguments before the runner's path. */
  readonly args: readonly string[];
  /** Ending of its runners' files. */
  readonly ending: string;
  /** Variables of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** True if a limit on addresses would be used up by reservations: memory is then limited where it can be written. */
  readonly reservesAddresses: boolean;
  /** What it sets aside at its start and the kernel counts as its memory, bytes; comes on top of the limit. */
  readonly reservedBytes: number;
}

const PYTHON_MINOR_MIN = 8;
/** V8 of Node 24 sets its range for machine code aside as writable. */
const NEW_NODE_RESERVED_BYTES = 512 * 1024 * 1024;

/**
 * The interpreter of a language, undefined where there is none. Python is the distribution's (`/usr/bin/python3`), else the
 * first on the path, 3.8 or later, without its site packages and with a fixed hash seed: a verdict must not change from run
 * to run. JavaScript is the Node that runs zmesh.
 */
export async function findRuntime(language: Language, memoryBytes: number): Promise<Runtime | undefined> {
  return language === 'python' ? await python() : node(memoryBytes);
}

/** The first program of this name in the path, or undefined. */
export async function findProgram(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function python(): Promise<Runtime | undefined> {
  for (const path of ['/usr/bin/python3', await findProgram('python3')]) {
    const facts = path && (await isExecutable(path)) ? await pythonFacts(path) : undefined;
    if (!facts || facts.minor < PYTHON_MINOR_MIN) continue;
    return {
      executable: await realpath(facts.executable),
      reads: facts.prefix === '/usr' ? [] : [facts.prefix],
      args: ['-s', '-S', '-B'],
      ending: 'py',
      env: { PYTHONHASHSEED: '0', PYTHONIOENCODING: 'utf-8' },
      reservesAddresses: false,
      reservedBytes: 0,
    };
  }
  return undefined;
}

async function pythonFacts(
  path: string,
): Promise<{ executable: string; prefix: string; minor: number } | undefined> {
  const program =
    'import json, sys; print(json.dumps([sys.executable, sys.base_prefix, sys.version_info[1]]))';
  const found = await promisify(execFile)(path, ['-I', '-c', program], { timeout: 30_000 }).catch(
    () => undefined,
  );
  if (!found) return undefined;
  const [executable, prefix, minor] = JSON.parse(found.stdout) as [string, string, number];
  return { executable, prefix, minor };
}

async function node(memoryBytes: number): Promise<Runtime> {
  const heapMb = Math.max(32, Math.floor(memoryBytes / 2 / 1024 / 1024));
  return {
    executable: await realpath(process.execPath),
    reads: [],
    args: [`--max-old-space-size=${heapMb}`, '--no-warnings'],
    ending: 'mjs',
    env: {},
    reservesAddresses: true,
    reservedBytes: Number(process.versions.node.split('.')[0]) > 22 ? NEW_NODE_RESERVED_BYTES : 0,
  };
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
