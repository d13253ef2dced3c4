import { readRun } from '#deploy/local/run-file.js';
import { zmeshHome } from '#shared/paths.js';

/** What a command can call. */
export type Target = 'dispatcher' | 'registry' | 'trainer' | 'traces';

const TARGETS: Readonly<Record<Target, { readonly env: string; readonly process: string }>> = {
  dispatcher: { env: 'ZMESH_DISPATCHER_ADDRESS', process: 'dispatcher' },
  registry: { env: 'ZMESH_REGISTRY_ADDRESS', process: 'expert-registry' },
  trainer: { env: 'ZMESH_TRAINER_ADDRESS', process: 'trainer' },
  traces: { env: 'ZMESH_TRACES_ADDRESS', process: 'traces' },
};

/** Nothing says where to call: exit code 1. */
export class NoMeshError extends Error {}

/**
 * Where `target` is: what was given, else its environment variable, else what the local mesh in `ZMESH_HOME` says.
 * Throws NoMeshError with one line where none of them knows.
 */
export function addressOf(target: Target, given: string | undefined, env: NodeJS.ProcessEnv): string {
  const { env: variable, process: name } = TARGETS[target];
  const home = zmeshHome(env);
  const address =
    given || env[variable] || readRun(home)?.processes.find((one) => one.name === name)?.address;
  if (address) return address;
  throw new NoMeshError(
    `no mesh runs here (${home}): start one with "zmesh up", or say where it is with ${
      target === 'traces' ? '' : `--${target} host:port or `
    }${variable}`,
  );
}
