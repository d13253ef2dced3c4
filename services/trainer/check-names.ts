import { ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import type { RunSpec } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import type { TrainerMesh } from './mesh.js';

const CALL_MS = 10_000;
const PAGE = 1000;

/**
 * Refuses before a run begins what could only be refused, or would break routing, after it: a name that belongs to another kind
 * of version, a label that another routed expert carries, a second routed classification expert.
 * Throws INVALID_FIELD, LABEL_AMBIGUOUS, REGISTRY_UNAVAILABLE.
 */
export async function checkNames(
  { registry }: Pick<TrainerMesh, 'registry'>,
  spec: RunSpec,
  options: { readonly model: string; readonly routedAlias: string; readonly signal: AbortSignal },
): Promise<void> {
  const { model, routedAlias, signal } = options;
  const call = { signal, timeoutMs: CALL_MS };
  const own = { model, name: spec.expert, includeRetired: true, pageSize: 1, pageToken: '' };
  const [taken] = (await registry.listExperts(own, call)).experts;
  if (taken && taken.spec?.kind !== spec.kind) {
    const message = `spec.expert: ${model}/${spec.expert} is ${KIND_NAMES.get(taken.spec?.kind ?? 0) ?? 'something else'} already`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'spec.expert', value: spec.expert });
  }
  let pageToken = '';
  do {
    const page = await registry.listExperts(
      { ...own, name: '', includeRetired: false, pageSize: PAGE, pageToken },
      call,
    );
    const rival = page.experts.find((one) => one.aliases.includes(routedAlias) && clashes(one, spec));
    if (rival) throw ambiguous(spec, rival, routedAlias);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

const KIND_NAMES: ReadonlyMap<number, string> = new Map([
  [ExpertKind.TASK, 'a task expert'],
  [ExpertKind.CLASSIFIER, 'a classification expert'],
  [ExpertKind.ADAPTATION, 'an adaptation'],
]);

function clashes({ spec: other }: ExpertVersion, { expert, kind, label }: RunSpec): boolean {
  if (other?.name === expert) return false;
  if (kind === ExpertKind.CLASSIFIER) return other?.kind === ExpertKind.CLASSIFIER;
  return label !== '' && other?.label === label;
}

function ambiguous({ label, kind }: RunSpec, { spec: other }: ExpertVersion, alias: string): ZmeshError {
  const name = `${other?.model}/${other?.name}`;
  const message =
    kind === ExpertKind.CLASSIFIER
      ? `${name} is the classification expert under "${alias}"; a second one could not be routed to: train it under that name`
      : `the label "${label}" is ${name}'s under "${alias}"; a second expert with it could not be routed to`;
  return new ZmeshError('LABEL_AMBIGUOUS', message, { field: 'spec.label', names: { expert: name } });
}
