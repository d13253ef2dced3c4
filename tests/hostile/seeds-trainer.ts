import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import {
  AdaptationSpec,
  AdaptRequest,
  CancelAdaptationRequest,
  GetAdaptationRequest,
  WatchAdaptationRequest,
} from '#proto/zmesh/v1/adaptation.js';
import {
  CancelRunRequest,
  CancelSearchRequest,
  GetRunRequest,
  GetSearchRequest,
  ListRolloutsRequest,
  ListRunsRequest,
  ListSearchesRequest,
  PauseRunRequest,
  ResumeRunRequest,
  RunSpec,
  StartRunRequest,
  StartSearchRequest,
  WatchRunRequest,
  WatchSearchRequest,
} from '#proto/zmesh/v1/trainer.js';
import type { Facts } from './facts.js';
import { TOKENS_ONLY } from './mesh.js';
import type { Random } from './random.js';
import type { Seed } from './seeds.js';

/** Id of the one request that really starts a run: whoever sends it again gets that run. */
export const RUN_REQUEST = 'hostile-run';

const question = (id: number): string =>
  JSON.stringify({
    id: `q${id}`,
    prompt: `${id} + 1`,
    max_tokens: 4,
    verifier: { type: 'number', value: '2' },
  });
const questions = (first: number): Buffer => Buffer.from([first, first + 1].map(question).join('\n'));

/** A run of one step over two questions. */
export const RUN_SPEC: RunSpec = RunSpec.fromPartial({
  model: EMBEDDED_MODEL,
  expert: 'hostile-run',
  task: { name: 'tiny', train: questions(1), validation: questions(3), test: questions(5) },
  algorithm: 'reinforce',
  settings: { steps: '1', prompts: '2', samples: '2', 'validation-items': '2', 'warm-up-steps': '0' },
  gate: { skip: true },
});

const startRun = (random: Random): Uint8Array => {
  if (random.chance(0.1)) return StartRunRequest.encode({ requestId: RUN_REQUEST, spec: RUN_SPEC }).finish();
  // A model that cannot be trained: all of the request is looked at, and no run begins.
  const spec = { ...RUN_SPEC, model: TOKENS_ONLY, seed: BigInt(random.below(100)) };
  return StartRunRequest.encode({ requestId: 'hostile-6', spec }).finish();
};

/** An adaptation that cannot be searched for: its model has no chat template. All of the request is looked at. */
export const SEARCH_SPEC: AdaptationSpec = AdaptationSpec.fromPartial({
  model: TOKENS_ONLY,
  name: 'hostile-mix',
  experts: ['math@stable'],
  examples: [1, 2, 3].map((n) => ({
    prompt: `${n} + 1`,
    verifier: '{"type": "number", "value": "2"}',
    reference: 'answer 2',
    maxTokens: 4,
  })),
  settings: { population: 4, generations: 2, folds: 0, eliteFraction: 0.5, noiseFloor: 0.1, smoothing: 0.1 },
});

const searchRequest = (random: Random) => ({
  requestId: 'hostile-7',
  spec: { ...SEARCH_SPEC, alias: random.pick(['', 'edge']) },
  timeoutS: random.below(3),
});

const id = ({ run }: Facts, random: Random): string => random.pick([run, run.slice(0, 8)]);

const absent = (random: Random): string => random.pick(['0123456789abcdef0123', 'nobody']);

/** Valid requests for the trainer's RPCs, and the dispatcher's that ask it. */
export const trainerSeeds: Readonly<Record<string, Seed>> = {
  StartRun: (_, random) => startRun(random),
  GetRun: (facts, random) => GetRunRequest.encode({ id: id(facts, random) }).finish(),
  ListRuns: (_, random) =>
    ListRunsRequest.encode({
      model: random.pick(['', EMBEDDED_MODEL]),
      expert: random.pick(['', 'hostile-run']),
      pageSize: random.below(5),
      pageToken: '',
    }).finish(),
  WatchRun: (facts, random) =>
    WatchRunRequest.encode({ id: id(facts, random), afterSequence: BigInt(random.below(3)) }).finish(),
  PauseRun: (facts, random) => PauseRunRequest.encode({ id: id(facts, random) }).finish(),
  ResumeRun: (facts, random) => ResumeRunRequest.encode({ id: id(facts, random) }).finish(),
  CancelRun: (facts, random) => CancelRunRequest.encode({ id: id(facts, random) }).finish(),
  StartSearch: (_, random) => StartSearchRequest.encode(searchRequest(random)).finish(),
  GetSearch: (_, random) => GetSearchRequest.encode({ id: absent(random) }).finish(),
  ListSearches: (_, random) =>
    ListSearchesRequest.encode({ model: '', pageSize: random.below(5), pageToken: '' }).finish(),
  WatchSearch: (_, random) => WatchSearchRequest.encode({ id: absent(random), afterSequence: 0n }).finish(),
  CancelSearch: (_, random) => CancelSearchRequest.encode({ id: absent(random) }).finish(),
  Adapt: (_, random) => AdaptRequest.encode(searchRequest(random)).finish(),
  GetAdaptation: (_, random) => GetAdaptationRequest.encode({ id: absent(random) }).finish(),
  WatchAdaptation: (_, random) =>
    WatchAdaptationRequest.encode({ id: absent(random), afterSequence: 0n }).finish(),
  CancelAdaptation: (_, random) => CancelAdaptationRequest.encode({ id: absent(random) }).finish(),
  ListRollouts: (facts, random) =>
    ListRolloutsRequest.encode({ id: id(facts, random), step: random.below(2) }).finish(),
};
