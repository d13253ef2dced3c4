import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ZmeshClient } from '#shared/client/client.js';
import { REASONS, type Reason, ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import type { Cleanup } from '../support/cleanup.js';
import { rawClient } from '../support/raw-grpc.js';
import type { HostileMesh } from './hostile-mesh.js';
import { METHODS } from './methods.js';
import { provokeOutages } from './outages.js';
import { provokeTaskReasons } from './provoke-tasks.js';
import { PROVOCATIONS } from './reasons.js';

/** What the caller never hears: it has left. Found in the log instead, which `provokeOutages` waits for. */
const UNHEARD: Reason = 'CANCELLED';
/** The one reason that must never be: a fault of ours. */
const NEVER: Reason = 'INTERNAL';

/** Provokes every reason of the catalogue. Returns which RPCs gave each, and what was not as it must be. */
export async function provokeReasons(
  t: Cleanup,
  { services, ground, facts }: HostileMesh,
): Promise<{ readonly seen: ReadonlyMap<string, readonly string[]>; readonly faults: readonly string[] }> {
  const seen = new Map<string, string[]>([[UNHEARD, ['WatchExperts (log)']]]);
  const note = (reason: string, method: string): void => {
    const methods = seen.get(reason) ?? [];
    seen.set(reason, methods.includes(method) ? methods : [...methods, method]);
  };
  const faults: string[] = [];
  for (const { reason, method, message } of PROVOCATIONS) {
    const { service, path, kind } = METHODS.find(({ name }) => name === method)!;
    const client = rawClient(services[service].address);
    const answer = await client.call({ path, kind, messages: [message(facts)], deadlineMs: 20_000 });
    client.close();
    if (answer.info?.reason === reason) note(reason, method);
    else faults.push(`${method} for ${reason} gave ${answer.info?.reason ?? answer.code}: ${answer.message}`);
  }
  await provokeOutages(t, ground, facts, (method, { info }) => note(info!.reason, method));
  if (await fetchWithoutHub()) note('SOURCE_UNAVAILABLE', 'zmesh model fetch');
  if (await dispatcherAway()) note('DISPATCHER_UNAVAILABLE', 'a client of the dispatcher');
  await provokeTaskReasons(note);
  const reasons = Object.keys(REASONS) as Reason[];
  for (const reason of reasons) {
    if (reason === NEVER ? seen.has(reason) : !seen.has(reason))
      faults.push(`${reason} was ${reason === NEVER ? 'given' : 'never provoked'}`);
  }
  return { seen, faults };
}

/** A client of a dispatcher that is not there. True if it says so. */
async function dispatcherAway(): Promise<boolean> {
  const client = new ZmeshClient({ address: '127.0.0.1:9', timeoutMs: 20_000 });
  try {
    await client.complete({ prompt: 'anyone?' });
    return false;
  } catch (error) {
    return ZmeshError.from(error).reason === 'DISPATCHER_UNAVAILABLE';
  } finally {
    client.close();
  }
}

/** The one reason that no RPC gives: the program that fetches checkpoints finds nobody. True if it says so. */
async function fetchWithoutHub(): Promise<boolean> {
  const program = join(projectRoot, 'dist/services/inference/fetch.js');
  const env = { ...process.env, HF_ENDPOINT: 'http://127.0.0.1:9' };
  const run = promisify(execFile)(process.execPath, [program, 'nobody/nothing', '--json'], { env });
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  return stdout.includes('"reason":"SOURCE_UNAVAILABLE"');
}
