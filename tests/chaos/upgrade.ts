import { relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '#shared/paths.js';
import { random } from '../hostile/random.js';
import type { ChaosMesh } from './chaos-mesh.js';
import { failures, startLoad } from './load.js';
import type { Question } from './questions.js';
import type { Report } from './report.js';

/** What a rolling upgrade needs. */
export interface UpgradeOptions {
  readonly mesh: ChaosMesh;
  readonly questions: readonly Question[];
  readonly seed: number;
  readonly report: Report;
  /** Folder of an older version of zmesh, built. */
  readonly older: string;
}

const CALLERS = 4;
const LOAD_MS = 4000;

/** Two versions in one mesh: an older dispatcher before today's inference, today's before an older one, and both mixed. */
export async function mixVersions({ mesh, questions, seed, report, older }: UpgradeOptions): Promise<void> {
  const root = relative(projectRoot, older);
  const [current] = mesh.processes('inference');
  const inference = await mesh.start('inference', {}, root);
  const pairs = [
    ['an older dispatcher', root, current!.address],
    ["an older inference behind today's dispatcher", '', inference.address],
    [
      "older and today's inference behind an older dispatcher",
      root,
      `${current!.address},${inference.address}`,
    ],
    ["older and today's inference behind today's dispatcher", '', `${current!.address},${inference.address}`],
  ] as const;
  for (const [what, from, addresses] of pairs) {
    const env = { ZMESH_INFERENCE_ADDRESS: addresses, ZMESH_NATS_URL: '' };
    const dispatcher = await mesh.start('dispatcher', env, from);
    const client = mesh.dispatcherAt(dispatcher.address);
    const load = startLoad({ client, questions, random: random(seed, 'upgrade', what), callers: CALLERS });
    await sleep(LOAD_MS);
    await load.stop();
    const failed = load.outcomes.filter(({ reason }) => reason !== undefined);
    report.say(`${what}: ${load.outcomes.length} requests, failed: ${failures(failed)}`);
    // An older replica refuses an expert whose version rests on fields that it does not know: its hash is another one there.
    const allowed = addresses.includes(inference.address) ? ['CORRUPT'] : [];
    report.check(failed.length < load.outcomes.length, `${what}: every request failed`);
    for (const reason of new Set(failed.map((one) => one.reason!)))
      report.check(allowed.includes(reason), `${what}: somebody got ${reason}`);
    for (const wrong of load.wrong) report.fault(`${what}: wrong answer: ${wrong}`);
  }
}
