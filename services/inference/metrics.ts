import { DOUBLING_SECONDS_BUCKETS, ROWS_BUCKETS } from '#shared/telemetry/buckets.js';
import {
  counter,
  histogram,
  type Observation,
  observeLevel,
  observeSum,
} from '#shared/telemetry/instruments.js';
import { ERROR_TYPE, GEN_AI, ZMESH } from '#shared/telemetry/semconv.js';
import type { Engine, EngineMeter } from './engine.js';
import type { ExpertCache } from './experts.js';
import type { ServedModel } from './served-model.js';

const requests = counter({
  name: 'zmesh.engine.requests',
  unit: '{request}',
  description: 'Requests that ended in the engine, by reason where they failed',
});
const promptTokens = counter({
  name: 'zmesh.engine.prompt.tokens',
  unit: '{token}',
  description: 'Prompt tokens of requests that began to run: computed, or resident in the prefix cache',
});
const outputTokens = counter({
  name: 'zmesh.engine.output.tokens',
  unit: '{token}',
  description: 'Tokens generated',
});
const prefixes = counter({
  name: 'zmesh.engine.prefix.lookups',
  unit: '{request}',
  description: 'Requests that began to run, by whether the prefix cache held some of their prompt',
});
const wait = histogram({
  name: 'zmesh.engine.queue.wait',
  unit: 's',
  description: 'From arrival to the first row in a batch',
  buckets: DOUBLING_SECONDS_BUCKETS,
});
const stepDuration = histogram({
  name: 'zmesh.engine.step.duration',
  unit: 's',
  description: 'One call of the runtime',
  buckets: DOUBLING_SECONDS_BUCKETS,
});
const stepRows = histogram({
  name: 'zmesh.engine.step.rows',
  unit: '{row}',
  description: 'Rows of the batch in one call of the runtime',
  buckets: ROWS_BUCKETS,
});

/** What an engine does, as metrics of its model. */
export function engineMeter(model: string): EngineMeter {
  const of = { [GEN_AI.REQUEST_MODEL]: model };
  return {
    stepped({ kind, rows, durationMs }) {
      const step = { ...of, [ZMESH.STEP_KIND]: kind };
      stepDuration.record(durationMs / 1000, step);
      stepRows.record(rows, step);
    },
    ended({ arrivedMs, startedMs, cachedTokens }, { kind, priority, failure, ...request }) {
      const which = { ...of, [ZMESH.ENGINE_REQUEST]: kind };
      requests.add(1, { ...which, ...(failure === undefined ? {} : { [ERROR_TYPE]: failure }) });
      if (request.outputTokens > 0) outputTokens.add(request.outputTokens, of);
      if (startedMs === null) return;
      wait.record((startedMs - arrivedMs) / 1000, { ...of, [ZMESH.PRIORITY]: priority });
      // Both always, if only by 0: a share of what is not there yet is no number.
      const resident = cachedTokens > 0 ? 1 : 0;
      prefixes.add(resident, { ...which, [ZMESH.FOUND]: 'resident' });
      prefixes.add(1 - resident, { ...which, [ZMESH.FOUND]: 'computed' });
      promptTokens.add(cachedTokens, { ...of, [ZMESH.FOUND]: 'resident' });
      promptTokens.add(request.promptTokens - cachedTokens, { ...of, [ZMESH.FOUND]: 'computed' });
    },
  };
}

/** Observes queues, pages and what is resident of the models that are served. Call the result to stop. */
export function observeInference(models: readonly ServedModel[], experts: ExpertCache): () => void {
  const each = (read: (engine: Engine) => readonly Observation[]) => (): readonly Observation[] =>
    models.flatMap(({ prepared, engine }) =>
      read(engine).map(({ value, attributes }) => ({
        value,
        attributes: { [GEN_AI.REQUEST_MODEL]: prepared.name, ...attributes },
      })),
    );
  const stops = [...observeEngines(each), ...observeSpectra(each), ...observeExperts(experts)];
  return () => {
    for (const stop of stops) stop();
  };
}

type Each = (read: (engine: Engine) => readonly Observation[]) => () => readonly Observation[];

function observeEngines(each: Each) {
  return [
    observeLevel(
      {
        name: 'zmesh.engine.queue.depth',
        unit: '{request}',
        description: 'Requests that wait for a place in the batch',
      },
      each(({ load }) => [
        { value: load.waitingInteractive, attributes: { [ZMESH.PRIORITY]: 'interactive' } },
        { value: load.waitingBatch, attributes: { [ZMESH.PRIORITY]: 'batch' } },
      ]),
    ),
    observeLevel(
      { name: 'zmesh.engine.running', unit: '{request}', description: 'Requests in the batch' },
      each(({ load }) => [{ value: load.running }]),
    ),
    observeLevel(
      { name: 'zmesh.engine.pages', unit: '{page}', description: 'Pages of keys and values' },
      each(({ load, info }) => [
        { value: info.pageCount - load.freePages, attributes: { [ZMESH.PAGE_STATE]: 'running' } },
        { value: load.keptPages, attributes: { [ZMESH.PAGE_STATE]: 'kept' } },
        { value: load.freePages - load.keptPages, attributes: { [ZMESH.PAGE_STATE]: 'free' } },
      ]),
    ),
  ];
}

function observeSpectra(each: Each) {
  return [
    observeLevel(
      {
        name: 'zmesh.spectra.resident',
        unit: '{mixture}',
        description: 'Composed mixtures that are resident',
      },
      each(({ spectra }) => [{ value: spectra.count }]),
    ),
    observeLevel(
      { name: 'zmesh.spectra.resident.size', unit: 'By', description: 'Their bytes' },
      each(({ spectra }) => [{ value: spectra.bytes }]),
    ),
    observeSum(
      {
        name: 'zmesh.spectra.lookups',
        unit: '{request}',
        description: 'Mixtures asked for, found resident or composed',
      },
      each(({ spectra: { use } }) => [
        { value: use.hits, attributes: { [ZMESH.FOUND]: 'resident' } },
        { value: use.added, attributes: { [ZMESH.FOUND]: 'composed' } },
      ]),
    ),
  ];
}

function observeExperts(experts: ExpertCache) {
  return [
    observeLevel(
      { name: 'zmesh.experts.resident', unit: '{expert}', description: 'Expert versions that are resident' },
      () => [{ value: experts.versions.length }],
    ),
    observeLevel(
      { name: 'zmesh.experts.resident.size', unit: 'By', description: 'Bytes of their vectors' },
      () => [{ value: experts.bytes }],
    ),
    observeSum(
      {
        name: 'zmesh.experts.lookups',
        unit: '{expert}',
        description: 'Experts asked for to compose a mixture, resident or fetched from the registry',
      },
      () => [
        { value: experts.use.hits, attributes: { [ZMESH.FOUND]: 'resident' } },
        { value: experts.use.fetches, attributes: { [ZMESH.FOUND]: 'fetched' } },
      ],
    ),
    observeSum(
      { name: 'zmesh.experts.fetched.size', unit: 'By', description: 'Bytes of vectors fetched' },
      () => [{ value: experts.use.fetchedBytes }],
    ),
  ];
}
