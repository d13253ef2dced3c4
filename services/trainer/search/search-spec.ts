import {
  type AdaptationExample,
  type AdaptationSettings,
  type AdaptationSpec,
  SearchDeploy,
  SearchStage,
} from '#proto/zmesh/v1/adaptation.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { checkAlias, checkExpertName } from '#shared/svf/names.js';
import { canonicalJson } from '#shared/tasks/hash.js';
import { itemFaults } from '#shared/tasks/item-faults.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { VerifierSpec } from '#shared/tasks/verifier.js';
import type { CemSettings } from './cem.js';
import type { Stage } from './search.js';

/** Fewest and most examples. */
export const EXAMPLES_MIN = 3;
/** Most examples. */
export const EXAMPLES_MAX = 64;
const DESCRIPTION_BYTES_MAX = 512;
const REFERENCE_BYTES_MAX = 64 * 1024;
const FOLDS_MAX = 20;

/** Settings of a search, complete. */
export interface SearchSettings {
  readonly cem: CemSettings;
  readonly stage: Stage;
  readonly deploy: 'best' | 'mean';
  readonly perMatrix: boolean;
  readonly sumToOne: boolean;
  readonly folds: number;
  readonly tokenBudget: number;
  readonly maxTokens: number;
  readonly baseArm: boolean;
}

/** Checks name, alias and description of a request. Throws MISSING_FIELD, INVALID_FIELD, TOO_LARGE. */
export function checkSearchSpec(given: AdaptationSpec | undefined, routedAlias: string): AdaptationSpec {
  if (!given) throw new ZmeshError('MISSING_FIELD', 'spec: is missing', { field: 'spec' });
  const alias = given.alias === '' ? routedAlias : given.alias;
  checkExpertName(given.name, 'spec.name');
  checkAlias(alias, 'spec.alias');
  const bytes = Buffer.byteLength(given.description);
  if (bytes > DESCRIPTION_BYTES_MAX) {
    const message = `spec.description has ${bytes} bytes, the limit is ${DESCRIPTION_BYTES_MAX}`;
    throw new ZmeshError('TOO_LARGE', message, {
      field: 'spec.description',
      limit: DESCRIPTION_BYTES_MAX,
      value: bytes,
    });
  }
  return { ...given, alias };
}

/**
 * The examples as questions. Throws INVALID_FIELD for too few or too many of them, for one that stands twice, and for faults
 * of single ones, all at once, each with its place.
 */
export function readExamples(examples: readonly AdaptationExample[], maxTokens: number): TaskItem[] {
  const field = 'spec.examples';
  if (examples.length < EXAMPLES_MIN || examples.length > EXAMPLES_MAX) {
    const message = `${field}: ${EXAMPLES_MIN} to ${EXAMPLES_MAX} are needed, not ${examples.length}`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field,
      limit: examples.length < EXAMPLES_MIN ? EXAMPLES_MIN : EXAMPLES_MAX,
      value: examples.length,
    });
  }
  const faults: string[] = [];
  const seen = new Map<string, number>();
  const items = examples.map((example, i) => {
    const json = exampleJson(example, i, maxTokens);
    const found = typeof json === 'string' ? [json] : itemFaults(json);
    faults.push(...found.map((fault) => `${field}[${i}]: ${fault}`));
    for (const key of [`id ${JSON.stringify(example.id || String(i + 1))}`, questionKey(example)]) {
      const earlier = seen.get(key);
      if (earlier !== undefined)
        faults.push(`${field}[${i}]: the same ${key.split(' ')[0]} as ${field}[${earlier}]`);
      else seen.set(key, i);
    }
    return json as Record<string, unknown>;
  });
  if (faults.length > 0)
    throw new ZmeshError('INVALID_FIELD', faults.slice(0, 20).join('; '), { field, value: faults.length });
  return items.map((json, i) => ({
    id: json.id as string,
    prompt: json.prompt as string,
    system: json.system as string | undefined,
    answers: examples[i]!.reference === '' ? [] : [examples[i]!.reference],
    maxTokens: json.max_tokens as number,
    verifier: json.verifier as VerifierSpec,
  }));
}

function questionKey({ system, prompt }: AdaptationExample): string {
  return `question ${JSON.stringify([system, prompt])}`;
}

/** An example as a line of a task file, or what is wrong with its verifier. */
function exampleJson(
  { id, prompt, system, verifier, reference, maxTokens: own }: AdaptationExample,
  place: number,
  maxTokens: number,
): Record<string, unknown> | string {
  if (Buffer.byteLength(reference) > REFERENCE_BYTES_MAX)
    return `reference has ${Buffer.byteLength(reference)} bytes, the limit is ${REFERENCE_BYTES_MAX}`;
  try {
    return {
      id: id || String(place + 1),
      prompt,
      ...(system === '' ? {} : { system }),
      max_tokens: own || maxTokens,
      verifier: JSON.parse(verifier === '' ? 'null' : verifier) as unknown,
    };
  } catch (error) {
    return `verifier is not JSON: ${(error as Error).message}`;
  }
}

/** SHA-256 of the examples' meaning, 64 hex digits. */
export function examplesHash(items: readonly TaskItem[]): string {
  return sha256Hex('zmesh-examples-1\n', ...items.map((item) => `${canonicalJson(item)}\n`));
}

/** Settings with their defaults. Throws INVALID_FIELD with every fault at once; MISSING_FIELD where references are needed. */
export function readSearchSettings(
  given: AdaptationSettings | undefined,
  examples: readonly AdaptationExample[],
): SearchSettings {
  const faults: string[] = [];
  const within = (name: string, value: number, low: number, high: number, whole: boolean): number => {
    if (!(value >= low && value <= high) || (whole && !Number.isInteger(value)))
      faults.push(`${name} must be ${whole ? 'a whole number ' : ''}in [${low}, ${high}], not ${value}`);
    return value;
  };
  const settings: SearchSettings = {
    cem: {
      population: within('population', given?.population ?? 32, 2, 1024, true),
      eliteFraction: within('elite_fraction', given?.eliteFraction ?? 0.2, 1e-6, 1 - 1e-6, false),
      generations: within('generations', given?.generations ?? 10, 1, 1000, true),
      noiseFloor: within('noise_floor', given?.noiseFloor ?? 0.02, 0, 1, false),
      smoothing: within('smoothing', given?.smoothing ?? 0, 0, 0.999999, false),
      seed: given?.seed ?? 0n,
    },
    stage: stageOf(given?.stage ?? SearchStage.AUTO, examples, faults),
    deploy: deployOf(given?.deploy ?? SearchDeploy.BEST, faults),
    perMatrix: given?.perMatrix ?? false,
    sumToOne: given?.sumToOne ?? false,
    folds: given?.folds ? within('folds', given.folds, 2, Math.min(FOLDS_MAX, examples.length), true) : 0,
    tokenBudget: Number(given?.tokenBudget ?? 0n),
    maxTokens: within('max_tokens', given?.maxTokens ?? 256, 1, 1_048_576, true),
    baseArm: !(given?.withoutBaseArm ?? false),
  };
  if (faults.length === 0) return settings;
  const field = 'spec.settings';
  throw new ZmeshError('INVALID_FIELD', `${field}: ${faults.join('; ')}`, { field, value: faults.length });
}

function stageOf(stage: SearchStage, examples: readonly AdaptationExample[], faults: string[]): Stage {
  const whole = examples.every(({ reference }) => reference !== '');
  switch (stage) {
    case SearchStage.UNSPECIFIED:
    case SearchStage.AUTO:
      return whole ? 'pruned' : 'generate';
    case SearchStage.GENERATE:
      return 'generate';
    case SearchStage.LIKELIHOOD:
      if (!whole) faults.push('stage LIKELIHOOD needs a reference in every example');
      return 'likelihood';
    default:
      faults.push(`stage ${String(stage)} is not known`);
      return 'generate';
  }
}

function deployOf(deploy: SearchDeploy, faults: string[]): 'best' | 'mean' {
  if (deploy === SearchDeploy.MEAN) return 'mean';
  if (deploy !== SearchDeploy.BEST && deploy !== SearchDeploy.UNSPECIFIED)
    faults.push(`deploy ${String(deploy)} is not known`);
  return 'best';
}
