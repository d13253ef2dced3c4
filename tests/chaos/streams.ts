import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import type { DispatcherClient } from './chaos-mesh.js';

/** A long stream as its reader sees it. */
export interface Stream {
  /** Address of its dispatcher. */
  readonly through: string;
  /** Tokens so far. */
  readonly tokens: readonly number[];
  /** How it ended: undefined with its receipt, else why; what looks finished and is not, is a fault. */
  readonly ended: Promise<{ readonly reason: string | undefined; readonly fault: string | undefined }>;
}

const TOKENS = 400;
const TIMEOUT_MS = 60_000;

const longRequest = (number: number): GenerateRequest =>
  GenerateRequest.fromPartial({
    prompt: {
      input: { $case: 'text', value: `Mia has ${number} cards and buys 30 more. Tell a long story.` },
    },
    strategy: { kind: { $case: 'none', value: {} } },
    sampling: { maxTokens: TOKENS, temperature: 0, ignoreEos: true },
  });

/** The tokens of long stream `number`, undisturbed. */
export async function longAnswer(client: DispatcherClient, number: number): Promise<readonly number[]> {
  const { answers } = await client.complete({ request: longRequest(number) }, { timeoutMs: TIMEOUT_MS });
  return answers[0]!.tokenIds;
}

/** Opens long stream `number` and reads it; `expected` are its tokens when nothing disturbs it. */
export function openStream(
  client: DispatcherClient,
  {
    number,
    through,
    expected,
  }: { readonly number: number; readonly through: string; readonly expected: readonly number[] },
): Stream {
  const tokens: number[] = [];
  const read = async () => {
    let receipt = false;
    let told = Number.NaN;
    let reason: string | undefined;
    try {
      for await (const { event } of client.generate(longRequest(number), { timeoutMs: TIMEOUT_MS })) {
        if (event?.$case === 'delta') tokens.push(...event.value.tokenIds);
        receipt ||= event?.$case === 'receipt';
      }
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      reason = error.reason;
      told = Number(error.details.names?.tokens);
    }
    const same = tokens.every((token, i) => token === expected[i]);
    let fault: string | undefined;
    if (!same) fault = `stream ${number} has wrong tokens`;
    else if (!reason && (!receipt || tokens.length !== expected.length))
      fault = `stream ${number} ended well after ${tokens.length} of ${expected.length} tokens`;
    else if (reason === 'ENGINE_STOPPED' && told !== tokens.length)
      fault = `stream ${number} was cut off after ${tokens.length} tokens, the error says ${told}`;
    return { reason, fault };
  };
  return { through, tokens, ended: read() };
}
