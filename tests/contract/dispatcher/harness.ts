import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ChatMessage, Prompt } from '#proto/zmesh/v1/common.js';
import {
  ClassifyRequest,
  DispatcherServiceService,
  FirstPass,
  GenerateRequest,
  type GenerateResponse,
  type Strategy,
} from '#proto/zmesh/v1/dispatcher.js';
import { type DispatcherSettings, loadConfig } from '#services/dispatcher/config.js';
import { startDispatcher } from '#services/dispatcher/server.js';
import type { Code, Reason } from '#shared/errors.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { type FakeInference, startFakeInference } from '../../support/fake-inference.js';
import { type FakeRegistry, startFakeRegistry } from '../../support/fake-registry.js';

/** A real dispatcher between a client and two fakes. */
export interface Bench {
  readonly inference: FakeInference;
  readonly registry: FakeRegistry;
  readonly client: RpcClient<typeof DispatcherServiceService>;
  readonly drain: () => Promise<void>;
}

/** Starts one; `publish` fills the registry before the dispatcher begins. Everything is stopped after the test. */
export async function startBench(
  t: TestContext,
  options: {
    readonly env?: NodeJS.ProcessEnv;
    readonly settings?: Partial<DispatcherSettings>;
    readonly publish?: (registry: FakeRegistry) => void;
  } = {},
): Promise<Bench> {
  const inference = await startFakeInference();
  const registry = await startFakeRegistry();
  options.publish?.(registry);
  const settings = loadConfig({
    ZMESH_INFERENCE_ADDRESS: inference.address,
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ...options.env,
  });
  const log = createLog('dispatcher', { ZMESH_LOG_LEVEL: 'silent' });
  const dispatcher = await startDispatcher({ ...settings, drainMs: 1000, ...options.settings }, log);
  const client = connect(DispatcherServiceService, {
    address: dispatcher.address,
    unavailable: 'INTERNAL',
  });
  t.after(async () => {
    client.close();
    await dispatcher.drain();
    await registry.stop();
    await inference.stop();
  });
  return { inference, registry, client, drain: dispatcher.drain };
}

/** math, code (both routed as `stable`), and a classification expert if asked for. */
export function publishThree(registry: FakeRegistry, classifier = true): void {
  registry.alias('math', 'stable', registry.publish({ expert: 'math', description: 'sums' }));
  registry.alias('code', 'stable', registry.publish({ expert: 'code' }));
  if (classifier) registry.alias('judge', 'stable', registry.publish({ expert: 'judge', classifier: true }));
}

/** A request for answers with a user's message. */
export function ask(strategy: Strategy['kind'], more: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    ...GenerateRequest.create({ prompt: chat('What is 1 + 1?'), strategy: { kind: strategy as never } }),
    ...more,
  };
}

/** A request for pass 1. */
export function askLabel(strategy: Strategy['kind'], more: Partial<ClassifyRequest> = {}): ClassifyRequest {
  return {
    ...ClassifyRequest.create({ prompt: chat('What is 1 + 1?'), strategy: { kind: strategy as never } }),
    ...more,
  };
}

/** A prompt of messages; texts alone are the user's. */
export function chat(...messages: readonly (string | ChatMessage)[]): Prompt {
  return {
    input: {
      $case: 'chat',
      value: {
        messages: messages.map((message) =>
          typeof message === 'string' ? { role: 'user', content: message } : message,
        ),
      },
    },
  };
}

/** Settings of pass 1. */
export const pass = (settings: Partial<FirstPass> = {}): FirstPass => ({
  ...FirstPass.create(),
  ...settings,
});

/** The prompt strategy with settings of pass 1. */
export const byPrompt = (settings: Partial<FirstPass> = {}): Strategy['kind'] => ({
  $case: 'prompt',
  value: { firstPass: pass(settings) },
});

/** The classifier strategy with settings of pass 1. */
export const byClassifier = (expert = '', settings: Partial<FirstPass> = {}): Strategy['kind'] => ({
  $case: 'classifier',
  value: { expert, firstPass: pass(settings) },
});

export const NONE: Strategy['kind'] = { $case: 'none', value: {} };
export const AUTO: Strategy['kind'] = { $case: 'auto', value: { firstPass: undefined } };

/** All events of a stream. */
export async function all(stream: AsyncIterable<GenerateResponse>): Promise<GenerateResponse[]> {
  const events: GenerateResponse[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** Asserts that a call fails with this code, reason and text, and returns the error. */
export async function refused(
  call: Promise<unknown>,
  code: Code,
  reason: Reason,
  text: RegExp | string,
): Promise<ZmeshError> {
  const error = await call.then(
    () => assert.fail(`the call should have failed with ${reason}`),
    (thrown: unknown) => thrown,
  );
  assert(error instanceof ZmeshError, String(error));
  assert.deepEqual([error.code, error.reason], [code, reason], error.message);
  if (typeof text === 'string') assert.equal(error.message, text);
  else assert.match(error.message, text);
  return error;
}

/** Tries until `check` gives something other than undefined or false, for at most 10 s; then fails with `what`. */
export async function eventually<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
  const endMs = performance.now() + 10_000;
  while (performance.now() < endMs) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return assert.fail(`never came true: ${what}`);
}
