import { RewardServiceService } from '#proto/zmesh/v1/reward.js';
import { type Reason, ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';
import { openSandbox } from '#shared/sandbox/sandbox.js';
import { connectRewards } from '#shared/tasks/reward-client.js';

/** Provokes the reasons that judging answers gives; `note` is told each with what gave it. */
export async function provokeTaskReasons(note: (reason: string, what: string) => void): Promise<void> {
  note(await reasonOf(openSandbox({ languages: ['javascript'], env: { PATH: '' } })), 'the sandbox');
  note(await reasonOf(scoreAt('127.0.0.1:9')), 'ScoreAnswers');
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    log: createLog('rewards', { ZMESH_LOG_LEVEL: 'silent' }),
    services: [
      bind(RewardServiceService, {
        scoreAnswers: async () => ({ scores: [{ reward: Number.NaN, detail: '' }] }),
      }),
    ],
  });
  note(await reasonOf(scoreAt(server.address)), 'ScoreAnswers');
  await server.drain(1000);
}

async function scoreAt(address: string): Promise<unknown> {
  const rewards = connectRewards({ address, attempts: 1 });
  const answer = { itemId: 'a', system: '', prompt: '', answer: '', reference: '', metadata: {} };
  return await rewards.score(answer).finally(() => rewards.close());
}

async function reasonOf(work: Promise<unknown>): Promise<Reason | ''> {
  return await work.then(
    () => '' as const,
    (error: unknown) => ZmeshError.from(error).reason,
  );
}
