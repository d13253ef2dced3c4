import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExpertGate, type ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { readExpertFile } from '#shared/experts/expert-file.js';
import { chosenNormalisation, publishExpert } from '#shared/experts/publish.js';
import { projectRoot } from '#shared/paths.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { ROUTED_ALIAS } from '#shared/svf/names.js';

/** Name of the model that comes with zmesh. */
export const EMBEDDED_MODEL = 'octo-nano';
/** Its folder: a Hugging Face folder with `experts/` and `tasks/` beside. */
export const EMBEDDED_FOLDER: string = join(projectRoot, 'models', EMBEDDED_MODEL);
/** Its experts. */
export const EMBEDDED_EXPERTS = [
  { name: 'math', kind: 'task' },
  { name: 'code', kind: 'task' },
  { name: 'reasoning', kind: 'task' },
  { name: 'classifier', kind: 'classifier' },
] as const;

/** The part of a training run's record that is read here; `zmesh experts show NAME --record` shows the whole. */
interface RunRecord extends Readonly<Record<string, unknown>> {
  readonly gate: { readonly passed: boolean };
}

const MANIFEST_LIMIT_MS = 30_000;
const MISSING: ReadonlySet<string> = new Set(['UNKNOWN_EXPERT', 'UNKNOWN_ALIAS', 'UNKNOWN_VERSION']);

/**
 * Publishes those embedded experts that have no version under the routed alias yet; one that is there is left alone,
 * whatever it points to. Returns the names of what was published.
 */
export async function publishEmbeddedExperts(
  registry: RpcClient<ExpertRegistryServiceService>,
  signal: AbortSignal,
): Promise<string[]> {
  await manifestIsThere(registry, signal);
  const published: string[] = [];
  for (const { name, kind } of EMBEDDED_EXPERTS) {
    if (await isPublished(registry, `${EMBEDDED_MODEL}/${name}@${ROUTED_ALIAS}`, signal)) continue;
    const path = join(EMBEDDED_FOLDER, 'experts', name);
    const file = readExpertFile(await readFile(`${path}.safetensors`));
    const record = JSON.parse(await readFile(`${path}.run.json`, 'utf8')) as RunRecord;
    await publishExpert({
      registry,
      model: EMBEDDED_MODEL,
      name,
      kind,
      label: file.label,
      description: file.description,
      metadata: file.metadata,
      categories: file.categories,
      record,
      gate: record.gate.passed ? ExpertGate.PASSED : ExpertGate.FAILED,
      expert: {
        normalisation: chosenNormalisation(undefined, file.normalisation),
        multipliers: file.multipliers,
      },
      alias: ROUTED_ALIAS,
      call: { signal },
    });
    published.push(name);
  }
  return published;
}

/** Inference publishes the manifest when it starts; it may take a moment. */
async function manifestIsThere(
  registry: RpcClient<ExpertRegistryServiceService>,
  signal: AbortSignal,
): Promise<void> {
  for (const giveUp = performance.now() + MANIFEST_LIMIT_MS; ; await sleep(50, signal)) {
    try {
      await registry.getModel({ name: EMBEDDED_MODEL }, { signal });
      return;
    } catch (error) {
      if (ZmeshError.from(error).reason !== 'UNKNOWN_MODEL' || performance.now() > giveUp) throw error;
    }
  }
}

async function isPublished(
  registry: RpcClient<ExpertRegistryServiceService>,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await registry.getExpert({ name }, { signal });
    return true;
  } catch (error) {
    if (MISSING.has(ZmeshError.from(error).reason)) return false;
    throw error;
  }
}
