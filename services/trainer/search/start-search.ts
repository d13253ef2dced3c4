import { type Adaptation, type AdaptationSpec, JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { StartSearchRequest as StartSearch, type StartSearchRequest } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { requestIdOr } from '#shared/ids.js';
import { runPool } from '#shared/pool.js';
import { ARMS_MAX } from '#shared/svf/compose.js';
import { formatExpertName, parseExpertName } from '#shared/svf/names.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { withoutSpans } from '#shared/telemetry/quiet.js';
import { SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { activeTraceId, withSpan } from '#shared/telemetry/spans.js';
import { timestamp } from '#shared/timestamp.js';
import { createJob, earlierJob, type JobDesk } from '../jobs/requests.js';
import { findModel, type TrainableModel, type TrainerMesh } from '../mesh.js';
import { promptOf } from '../trials-options.js';
import { checkSearchSpec, examplesHash, readExamples, readSearchSettings } from './search-spec.js';
import { shownAdaptation } from './search-view.js';

const CALL_MS = 10_000;
const PAGE = 1000;
const ENCODES = 16;

/** What starting a search needs. */
export interface SearchDesk {
  readonly desk: JobDesk;
  readonly mesh: TrainerMesh;
  readonly routedAlias: string;
}

/**
 * Checks everything about an adaptation that can be checked before it is searched for, fixes the experts to exact versions,
 * and puts it into the queue. Throws what the checks of its parts do, NO_ROUTED_EXPERTS, MIXED_NORMALISATION,
 * CONTEXT_EXCEEDED, REQUEST_CONFLICT, TRAINER_UNAVAILABLE.
 */
export async function startSearch(
  { desk, mesh, routedAlias }: SearchDesk,
  request: StartSearchRequest,
  signal: AbortSignal,
): Promise<Adaptation> {
  const requestId = request.requestId === '' ? '' : requestIdOr(request.requestId);
  const asked = checkSearchSpec(request.spec, routedAlias);
  const settings = readSearchSettings(asked.settings, asked.examples);
  const items = readExamples(asked.examples, settings.maxTokens);
  const { timeoutS } = request;
  // As it was asked: the same request stays the same when an alias of its experts has moved.
  const same = {
    kind: 'adaptation',
    requestId,
    asked: StartSearch.encode({ requestId: '', spec: asked, timeoutS }).finish(),
  } as const;
  const earlier = await earlierJob(desk, same);
  if (earlier) return shownAdaptation(earlier);
  const model = await findModel(mesh, asked.model, signal);
  await checkName(mesh, model, asked.name, signal);
  const experts = await exactExperts({ mesh, model, routedAlias, asked: asked.experts, signal });
  await checkContext(mesh, model, items, signal);
  const spec: AdaptationSpec = { ...asked, model: model.served.name, experts };
  const createdAt = new Date();
  const traceId = activeTraceId();
  const record = await createJob(desk, {
    ...same,
    input: StartSearch.encode({ requestId: '', spec, timeoutS }).finish(),
    view: (id) => ({
      $case: 'adaptation',
      value: {
        id,
        spec: { ...spec, examples: [] },
        examples: items.length,
        examplesSha256: examplesHash(items),
        state: JobState.QUEUED,
        progress: undefined,
        result: undefined,
        failure: undefined,
        createdAt: timestamp(createdAt),
        startedAt: undefined,
        finishedAt: undefined,
        modelFingerprint: model.served.fingerprint,
        deadline: timeoutS > 0 ? timestamp(new Date(createdAt.getTime() + timeoutS * 1000)) : undefined,
        traceId: /^0*$/.test(traceId) ? '' : traceId,
      },
    }),
  });
  return shownAdaptation(record);
}

/** An adaptation cannot have an expert's name. Said now, not after the search. */
async function checkName(
  { registry }: TrainerMesh,
  { served }: TrainableModel,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const request = { model: served.name, name, includeRetired: true, pageSize: 1, pageToken: '' };
  const { experts } = await registry.listExperts(request, { signal, timeoutMs: CALL_MS });
  const [taken] = experts;
  if (!taken || taken.spec?.kind === ExpertKind.ADAPTATION) return;
  const message = `spec.name: ${served.name}/${name} is an expert already`;
  throw new ZmeshError('INVALID_FIELD', message, { field: 'spec.name', value: name });
}

/** The experts to mix as exact versions, `model/expert@<64 hex digits>`, by name. */
async function exactExperts(parts: {
  readonly mesh: TrainerMesh;
  readonly model: TrainableModel;
  readonly routedAlias: string;
  readonly asked: readonly string[];
  readonly signal: AbortSignal;
}): Promise<string[]> {
  const { mesh, model, routedAlias, asked, signal } = parts;
  const found: ExpertVersion[] = [];
  const call = { signal, timeoutMs: CALL_MS };
  if (asked.length === 0) {
    const request = { model: model.served.name, name: '', includeRetired: false, pageSize: PAGE };
    let pageToken = '';
    do {
      const page = await mesh.registry.listExperts({ ...request, pageToken }, call);
      const routed = ({ aliases, spec }: ExpertVersion): boolean =>
        aliases.includes(routedAlias) && spec?.kind === ExpertKind.TASK;
      found.push(...page.experts.filter(routed));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    if (found.length === 0) {
      const message = `no task expert of ${model.served.name} is published as "${routedAlias}": name the experts to mix`;
      throw new ZmeshError('NO_ROUTED_EXPERTS', message, {
        names: { model: model.served.name, alias: routedAlias },
      });
    }
  }
  for (const [i, text] of asked.entries()) {
    const field = `spec.experts[${i}]`;
    const { model: owner = model.served.name, expert, selector = routedAlias } = parseExpertName(text, field);
    const { expert: version } = await mesh.registry.getExpert(
      { name: formatExpertName({ model: owner, expert, selector }) },
      call,
    );
    if (version) found.push(version);
  }
  return checkedExperts(found, model);
}

function checkedExperts(found: readonly ExpertVersion[], { served }: TrainableModel): string[] {
  if (found.length >= ARMS_MAX) {
    const message = `spec.experts: at most ${ARMS_MAX - 1}, not ${found.length}`;
    throw new ZmeshError('TOO_LARGE', message, {
      field: 'spec.experts',
      limit: ARMS_MAX - 1,
      value: found.length,
    });
  }
  const [first] = found;
  const names = found.map((version) => {
    const { spec, version: hash, retired } = version;
    const name = formatExpertName({ model: spec!.model, expert: spec!.name, selector: hash });
    const about = { field: 'spec.experts', names: { expert: name } };
    if (spec!.kind !== ExpertKind.TASK)
      throw new ZmeshError('INVALID_FIELD', `spec.experts: ${name} is not a task expert`, about);
    if (spec!.basisId !== served.basisId)
      throw new ZmeshError('BASIS_MISMATCH', `spec.experts: ${name} belongs to another basis`, about);
    if (retired) throw new ZmeshError('EXPERT_RETIRED', `spec.experts: ${name} was retired`, about);
    if (spec!.normalisation !== first!.spec!.normalisation) {
      const message = `spec.experts: ${name} and ${first!.spec!.name} have different normalisations and cannot be mixed`;
      throw new ZmeshError('MIXED_NORMALISATION', message, about);
    }
    return name;
  });
  const unique = [...new Set(names)].sort();
  if (unique.length < names.length)
    throw new ZmeshError('BAD_MIXTURE', 'spec.experts: a version stands twice in it', {
      field: 'spec.experts',
    });
  return unique;
}

async function checkContext(
  { inference }: TrainerMesh,
  { served }: TrainableModel,
  items: readonly TaskItem[],
  signal: AbortSignal,
): Promise<void> {
  const check = async (i: number, stopped: AbortSignal): Promise<void> => {
    const item = items[i]!;
    const request = { model: served.name, prompt: promptOf(item) };
    const { tokenIds } = await inference.encodeTokens(request, { signal: stopped, timeoutMs: CALL_MS });
    const needed = tokenIds.length + (item.maxTokens ?? 0);
    if (needed <= served.contextLength) return;
    const message = `spec.examples[${i}]: prompt and budget are ${needed} tokens, ${served.name} holds ${served.contextLength}`;
    throw new ZmeshError('CONTEXT_EXCEEDED', message, {
      field: `spec.examples[${i}]`,
      limit: served.contextLength,
      value: needed,
    });
  };
  await withSpan(SPAN.CHECK_EXAMPLES, { attributes: { [ZMESH.CALLS]: items.length } }, () =>
    withoutSpans(() => runPool([...items.keys()], { concurrency: ENCODES, signal }, check)),
  );
}
