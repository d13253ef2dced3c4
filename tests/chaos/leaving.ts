import { setTimeout as sleep } from 'node:timers/promises';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import type { Random } from '../hostile/random.js';
import type { DispatcherClient } from './chaos-mesh.js';

const PAUSE_MS = 100;
const MESSAGES_MAX = 20;

/** Opens one stream after another and leaves each after some messages; counts them, and notes those that failed. */
export function startLeaving(client: DispatcherClient, random: Random) {
  let stopped = false;
  let left = 0;
  const failed: string[] = [];
  const request = GenerateRequest.fromPartial({
    prompt: { input: { $case: 'text', value: 'Tell a long story about Mia and her cards.' } },
    strategy: { kind: { $case: 'none', value: {} } },
    sampling: { temperature: 0, maxTokens: 200, ignoreEos: true },
  });
  const running = (async () => {
    while (!stopped) {
      let messages = random.below(MESSAGES_MAX);
      try {
        for await (const _ of client.generate(request, { timeoutMs: 30_000 })) if (messages-- <= 0) break;
      } catch (error) {
        failed.push(ZmeshError.from(error).reason);
      }
      left += 1;
      await sleep(PAUSE_MS);
    }
  })();
  return {
    left: (): number => left,
    failed,
    async stop(): Promise<void> {
      stopped = true;
      await running;
    },
  };
}
