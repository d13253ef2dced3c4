import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunProcess, readRun } from '#deploy/local/run-file.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import type { Cleanup } from './cleanup.js';
import { type TestHome, testHome } from './mesh.js';

/** A running mesh with several trainers, and clients of its dispatcher and its registry. */
export interface AdaptationMesh {
  readonly home: TestHome;
  readonly dispatcher: RpcClient<DispatcherServiceService>;
  readonly registry: RpcClient<ExpertRegistryServiceService>;
  /** The process of that name as it runs now. */
  processOf(name: string): RunProcess;
}

/** Starts a mesh with so many trainers; `env` is what its processes get beside their defaults. */
export async function adaptationMesh(
  cleanup: Cleanup,
  trainers: number,
  env: Readonly<Record<string, string>> = {},
): Promise<AdaptationMesh> {
  const home = await testHome(cleanup);
  Object.assign(home.env, env);
  const { code, err } = await home.zmesh('up', '--detach', '--replicas', `trainer=${trainers}`);
  assert.equal(code, 0, err);
  cleanup.after(async () => {
    await home.zmesh('down');
  });
  const processOf = (name: string): RunProcess =>
    readRun(home.path)!.processes.find((one) => one.name === name)!;
  const dispatcher = connect(DispatcherServiceService, {
    address: processOf('dispatcher').address!,
    unavailable: 'DISPATCHER_UNAVAILABLE',
  });
  cleanup.after(() => dispatcher.close());
  const registry = connect(ExpertRegistryServiceService, {
    address: processOf('expert-registry').address!,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  cleanup.after(() => registry.close());
  return { home, dispatcher, registry, processOf };
}

interface Line {
  readonly id: string;
  readonly prompt: string;
  readonly answers: readonly string[];
  readonly max_tokens: number;
  readonly verifier: unknown;
}

/** The first examples that the embedded model's `task` has for training, as an adaptation takes them. */
export const examplesOf = (task: string, count: number) =>
  readFileSync(join(projectRoot, 'models/octo-nano/tasks', task, 'train.jsonl'), 'utf8')
    .split('\n')
    .slice(0, count)
    .map((line) => JSON.parse(line) as Line)
    .map(({ id, prompt, answers, max_tokens: maxTokens, verifier }) => ({
      id,
      prompt,
      system: '',
      verifier: JSON.stringify(verifier),
      reference: answers[0] ?? '',
      maxTokens,
    }));
