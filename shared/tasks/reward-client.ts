import {
  type AnswerToScore,
  RewardServiceService,
  type ScoreAnswersResponse,
} from '#proto/zmesh/v1/reward.js';
import { sleep } from '../deadline.js';
import { ZmeshError } from '../errors.js';
import { newRequestId } from '../ids.js';
import { connect } from '../rpc/client.js';
import { shortened, type Verdict } from './verdict.js';

/** A customer's reward service, as a verifier needs it. */
export interface Rewards {
  /** The reward of one answer. What is asked for in one turn of the event loop travels in common batches. */
  score(answer: AnswerToScore, signal?: AbortSignal): Promise<Verdict>;
  /** Closes the connection; what is under way fails. */
  close(): void;
}

/** Whom to ask, and how long. */
export interface RewardOptions {
  /** `host:port`, or several separated by commas. */
  readonly address: string;
  /** Name of the task, told to the service. Default empty. */
  readonly task?: string;
  /** Deadline of one call, milliseconds. Default 60000. */
  readonly deadlineMs?: number;
  /** Most answers in one call. Default 256. */
  readonly batchMax?: number;
  /** Calls for one batch while the service says UNAVAILABLE or cannot be reached; nothing else is tried again. Default 5. */
  readonly attempts?: number;
  /** Wait before the second call, milliseconds; doubled each time. Default 250. */
  readonly backoffMs?: number;
}

/** An answer that waits for its batch. */
interface Waiting {
  readonly answer: AnswerToScore;
  readonly signal: AbortSignal | undefined;
  resolve(verdict: Verdict): void;
  reject(error: unknown): void;
}

/**
 * A client of a customer's reward service. Rejects with REWARD_UNAVAILABLE when nobody answers after all attempts, DEADLINE,
 * BAD_REWARD for a reward that is not a number in [−1, 1] or for another count than asked for, or the service's own error.
 */
export function connectRewards(options: RewardOptions): Rewards {
  const client = connect(RewardServiceService, {
    address: options.address,
    unavailable: 'REWARD_UNAVAILABLE',
  });
  const closing = new AbortController();
  let waiting: Waiting[] = [];
  const flush = (): void => {
    const batches = inBatches(waiting, options.batchMax ?? 256);
    waiting = [];
    for (const batch of batches) void send(batch);
  };
  const send = async (batch: readonly Waiting[]): Promise<void> => {
    const signal = AbortSignal.any([closing.signal, ...(batch[0]?.signal ? [batch[0].signal] : [])]);
    try {
      const answers = batch.map(({ answer }) => answer);
      const request = { requestId: newRequestId(), task: options.task ?? '', answers };
      const response = await patiently(options, signal, () =>
        client.scoreAnswers(request, { signal, timeoutMs: options.deadlineMs ?? 60_000 }),
      );
      const verdicts = verdictsOf(response, answers, options.address);
      for (const [i, { resolve }] of batch.entries()) resolve(verdicts[i]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  return {
    score(answer, signal) {
      if (waiting.length === 0) setImmediate(flush);
      return new Promise((resolve, reject) => waiting.push({ answer, signal, resolve, reject }));
    },
    close() {
      closing.abort(new ZmeshError('CANCELLED', 'the connection to the reward service was closed'));
      client.close();
    },
  };
}

/** Batches of at most `size`; answers of different callers, known by their signals, are not mixed. */
function inBatches(waiting: readonly Waiting[], size: number): Waiting[][] {
  const callers = new Map<AbortSignal | undefined, Waiting[]>();
  for (const one of waiting) callers.set(one.signal, [...(callers.get(one.signal) ?? []), one]);
  return [...callers.values()].flatMap((all) =>
    Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size)),
  );
}

/** Calls again while the service is UNAVAILABLE, after a doubling wait. */
async function patiently(
  { address, attempts = 5, backoffMs = 250 }: RewardOptions,
  signal: AbortSignal,
  call: () => Promise<ScoreAnswersResponse>,
): Promise<ScoreAnswersResponse> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      if (signal.aborted) throw error;
      const spent = attempt >= attempts ? `, ${attempts} times` : '';
      if (error.code !== 'UNAVAILABLE' || attempt >= attempts)
        throw new ZmeshError(error.reason, `the reward service at ${address}${spent}: ${error.message}`, {
          ...error.details,
          cause: error,
        });
      await sleep(backoffMs * 2 ** (attempt - 1), signal);
    }
  }
}

function verdictsOf(
  { scores }: ScoreAnswersResponse,
  answers: readonly AnswerToScore[],
  address: string,
): Verdict[] {
  if (scores.length !== answers.length)
    throw new ZmeshError(
      'BAD_REWARD',
      `the reward service at ${address} gave ${scores.length} scores for ${answers.length} answers`,
      { field: 'scores', limit: answers.length, value: scores.length },
    );
  return scores.map(({ reward, detail }, i) => {
    if (!(reward >= -1 && reward <= 1))
      throw new ZmeshError(
        'BAD_REWARD',
        `the reward service at ${address} gave ${reward} for "${answers[i]!.itemId}"; rewards are from -1 to 1`,
        { field: `scores[${i}].reward`, limit: '[-1, 1]', value: String(reward) },
      );
    return { reward, correct: reward > 0, detail: shortened(detail || `reward ${reward}`) };
  });
}
