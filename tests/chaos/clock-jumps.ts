import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '#shared/paths.js';
import { random } from '../hostile/random.js';
import type { ChaosMesh } from './chaos-mesh.js';
import { failures, startLoad } from './load.js';
import type { Question } from './questions.js';
import type { Report } from './report.js';

/** What the jumps need. */
export interface ClockOptions {
  readonly mesh: ChaosMesh;
  readonly questions: readonly Question[];
  readonly seed: number;
  readonly report: Report;
}

const CALLERS = 4;
const JUMPS = 6;
const BETWEEN_MS = 700;
const LONGEST_MS = 60_000;

/** A dispatcher and an inference replica whose clocks jump by hours under load: nobody fails, and what took time took little. */
export async function clockJumps({ mesh, questions, seed, report }: ClockOptions): Promise<void> {
  const preload = pathToFileURL(join(projectRoot, 'dist/tests/support/jump-clock-on-signal.js')).href;
  const env = { NODE_OPTIONS: `--import=${preload}` };
  const inference = await mesh.start('inference', env);
  const dispatcher = await mesh.start('dispatcher', {
    ...env,
    ZMESH_INFERENCE_ADDRESS: inference.address,
    ZMESH_NATS_URL: '',
  });
  const client = mesh.dispatcherAt(dispatcher.address);
  const load = startLoad({ client, questions, random: random(seed, 'clock'), callers: CALLERS });
  for (let jump = 0; jump < JUMPS; jump += 1) {
    await sleep(BETWEEN_MS);
    const both = [inference, dispatcher].slice(0, 1 + (jump % 2));
    for (const { pid } of both) process.kill(pid, 'SIGUSR2');
    const { receipt } = await client.complete({ request: questions[0]!.request }, { timeoutMs: 20_000 });
    const { totalMs = Number.NaN, secondPass } = receipt ?? {};
    for (const ms of [
      totalMs,
      secondPass?.queueMs,
      secondPass?.prefillMs,
      secondPass?.decodeMs,
      secondPass?.totalMs,
    ])
      report.check(ms !== undefined && ms >= 0 && ms < LONGEST_MS, `clock jump: something took ${ms} ms`);
  }
  await sleep(BETWEEN_MS);
  await load.stop();
  const failed = load.outcomes.filter(({ reason }) => reason !== undefined);
  report.say(
    `${JUMPS} clock jumps of hours: ${failed.length} of ${load.outcomes.length} requests failed (${failures(failed)})`,
  );
  report.check(failed.length === 0, 'clock jump: requests failed');
  for (const wrong of load.wrong) report.fault(`clock jump: wrong answer: ${wrong}`);
}
