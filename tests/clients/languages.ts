import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import { mustRun } from './run-command.js';

/** Whom a client calls, and the expert that it starts from. */
export interface Targets {
  readonly dispatcher: string;
  readonly registry: string;
  readonly vectors: string;
}

/** A client in one language: its folder is `tests/clients/<name>`. */
export interface Language {
  readonly name: string;
  /** Command lines that work where the toolchain is there. */
  readonly toolchain: readonly (readonly string[])[];
  /** Builds the client from its folder; everything that is slow to build lies in `cache`. */
  build(folder: string, cache: string): Promise<void>;
  /** The command line that runs it, and what its environment needs. */
  command(
    cache: string,
    targets: Targets,
  ): { readonly line: readonly string[]; readonly env?: NodeJS.ProcessEnv };
}

/** Go's toolchain: for the client in Go and for the foreign tools. */
export const GO: Language['toolchain'] = [['go', 'version']];

/** First builds fetch and compile many packages. */
const BUILD_LIMIT_MS = 10 * 60_000;
const PROTO = join(projectRoot, 'proto');

const named = ({ dispatcher, registry, vectors }: Targets, dash: string): string[] => [
  `${dash}dispatcher`,
  dispatcher,
  `${dash}registry`,
  registry,
  `${dash}vectors`,
  vectors,
];

/** The clients, in the order in which they are run. */
export const LANGUAGES: readonly Language[] = [
  {
    name: 'node',
    toolchain: [
      ['node', '--version'],
      ['npm', '--version'],
    ],
    async build(folder, cache) {
      const limit = { limitMs: BUILD_LIMIT_MS };
      await mustRun([process.execPath, join(projectRoot, 'deploy/local/client-package.mjs')], limit);
      const packed = ['npm', 'pack', '--json', '--pack-destination', cache];
      const printed = await mustRun(packed, { ...limit, cwd: join(projectRoot, 'shared/client/package') });
      const [{ filename }] = JSON.parse(printed) as [{ filename: string }];
      // An empty project, as a user has it.
      rmSync(join(cache, 'node_modules'), { recursive: true, force: true });
      writeFileSync(join(cache, 'package.json'), '{ "private": true, "type": "module" }');
      copyFileSync(join(folder, 'client.mjs'), join(cache, 'client.mjs'));
      const install = ['npm', 'install', '--no-save', '--prefer-offline', join(cache, filename)];
      await mustRun(install, { ...limit, cwd: cache });
    },
    command: (cache, targets) => ({
      line: [process.execPath, join(cache, 'client.mjs'), ...named(targets, '--')],
    }),
  },
  {
    name: 'python',
    toolchain: [['python3', '-c', 'import ensurepip, venv']],
    async build(folder, cache) {
      const python = join(cache, 'venv/bin/python');
      const gen = join(cache, 'gen');
      mkdirSync(gen, { recursive: true });
      const limit = { limitMs: BUILD_LIMIT_MS };
      await mustRun(['python3', '-m', 'venv', join(cache, 'venv')], limit);
      await mustRun([python, '-m', 'pip', 'install', '-q', '-r', join(folder, 'requirements.txt')], limit);
      const protos = readdirSync(join(PROTO, 'zmesh/v1')).map((name) => `zmesh/v1/${name}`);
      const out = [`--python_out=${gen}`, `--grpc_python_out=${gen}`];
      await mustRun([python, '-m', 'grpc_tools.protoc', '-I', PROTO, ...out, ...protos], limit);
    },
    command: (cache, targets) => ({
      line: [
        join(cache, 'venv/bin/python'),
        join(projectRoot, 'tests/clients/python/client.py'),
        ...named(targets, '--'),
      ],
      env: { PYTHONPATH: join(cache, 'gen'), PYTHONDONTWRITEBYTECODE: '1' },
    }),
  },
  {
    name: 'go',
    toolchain: GO,
    async build(folder, cache) {
      const options = { cwd: folder, limitMs: BUILD_LIMIT_MS };
      await mustRun(['go', 'generate', './...'], options);
      await mustRun(['go', 'vet', './...'], options);
      await mustRun(['go', 'build', '-o', join(cache, 'zmesh-client'), '.'], options);
    },
    command: (cache, targets) => ({ line: [join(cache, 'zmesh-client'), ...named(targets, '-')] }),
  },
  {
    name: 'java',
    toolchain: [
      ['mvn', '--version'],
      ['javac', '-version'],
    ],
    async build(folder, cache) {
      const line = ['mvn', '-q', '-B', `-Dbuild.folder=${join(cache, 'target')}`, 'package'];
      await mustRun(line, { cwd: folder, limitMs: BUILD_LIMIT_MS });
    },
    command: (cache, { dispatcher, registry, vectors }) => ({
      line: ['java', '-jar', join(cache, 'target/zmesh-client.jar'), dispatcher, registry, vectors],
    }),
  },
  {
    name: 'rust',
    toolchain: [
      ['cargo', '--version'],
      ['rustc', '--version'],
    ],
    async build(folder, cache) {
      const env = { CARGO_TARGET_DIR: join(cache, 'target') };
      await mustRun(['cargo', 'build', '-q', '--locked'], { cwd: folder, env, limitMs: BUILD_LIMIT_MS });
    },
    command: (cache, targets) => ({
      line: [join(cache, 'target/debug/zmesh-client'), ...named(targets, '--')],
    }),
  },
];

/** Where what belongs to one part is built and kept. */
export function cacheOf(part: string): string {
  const folder = join(zmeshHome(), 'cache/clients', part);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** True if `npm run test:clients` was asked for this part. */
export function isAsked(part: string): boolean {
  const only = process.env.ZMESH_CLIENTS_ONLY;
  return only === undefined || only.split(',').includes(part);
}
