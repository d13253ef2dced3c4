import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { readVectors, writeVectors } from '#shared/svf/vectors.js';
import type { RegistryClient } from './chaos-mesh.js';

/** A publisher that runs until it is stopped. */
export interface Publishing {
  /** What was acknowledged: full name and the SHA-256 of its vectors. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Reasons of refusals, in their order. */
  readonly refusals: readonly string[];
  stop(): Promise<void>;
}

const NAME = 'published-under-fire';
const PAUSE_MS = 30;
const TIMEOUT_MS = 10_000;

/** How fast versions are published. */
export interface Pace {
  /** Between two of them. Default 30 ms. */
  readonly pauseMs?: number;
  /** So many come first, 30 ms apart, before `startPublishing` resolves. Default none. */
  readonly ahead?: number;
}

/** Publishes one version after another of an expert that nothing routes to, each with other vectors and under one alias. */
export async function startPublishing(
  registry: RegistryClient,
  { pauseMs = PAUSE_MS, ahead = 0 }: Pace = {},
): Promise<Publishing> {
  const { model } = await registry.getModel({ name: EMBEDDED_MODEL }, { timeoutMs: TIMEOUT_MS });
  const multipliers = readVectors(await readFile(join(EMBEDDED_FOLDER, 'experts/math.safetensors')));
  const [[, first]] = [...multipliers] as [[string, Float32Array]];
  const acknowledged = new Map<string, string>();
  const refusals: string[] = [];
  let stopped = false;
  const publish = async (number: number): Promise<void> => {
    first[0] = 1 + number / 65_536;
    const vectors = writeVectors(multipliers);
    const spec = {
      model: EMBEDDED_MODEL,
      name: NAME,
      basisId: model!.basisId,
      normalisation: Normalisation.NONE,
      kind: ExpertKind.TASK,
      label: '',
      description: '',
      metadata: {},
      mixture: undefined,
      categories: [],
    };
    const { expert } = await registry.publishExpert(
      { spec, vectors, alias: 'newest' },
      { timeoutMs: TIMEOUT_MS },
    );
    acknowledged.set(`${EMBEDDED_MODEL}/${NAME}@${expert!.version}`, sha256Hex(vectors));
  };
  let number = 1;
  // A caller whose publish failed does not know what became of it, and repeats it.
  const publishNext = async (): Promise<void> => {
    try {
      await publish(number);
      number += 1;
    } catch (error) {
      refusals.push(ZmeshError.from(error).reason);
    }
  };
  for (const _ of Array(ahead)) {
    await publishNext();
    await sleep(PAUSE_MS);
  }
  const running = (async () => {
    while (!stopped) {
      await publishNext();
      await sleep(pauseMs);
    }
  })();
  return {
    acknowledged,
    refusals,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** What was lost of what was acknowledged, one line each; also what the registry's own verification finds. */
export async function lostPublishes(
  registry: RegistryClient,
  acknowledged: Publishing['acknowledged'],
): Promise<string[]> {
  const lost: string[] = [];
  for (const [name, sha256] of acknowledged) {
    const found = await registry.getExpertVectors({ name }, { timeoutMs: TIMEOUT_MS }).then(
      ({ vectors }) => sha256Hex(vectors),
      (error: unknown) => ZmeshError.from(error).reason,
    );
    if (found !== sha256) lost.push(`${name} was acknowledged and is now: ${found}`);
  }
  for await (const { record, fault } of registry.verifyRegistry({}, { timeoutMs: 60_000 }))
    if (fault !== '') lost.push(`${record}: ${fault}`);
  return lost;
}
