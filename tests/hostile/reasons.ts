import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import type { Prompt } from '#proto/zmesh/v1/common.js';
import { ClassifyRequest, CompleteRequest, GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import {
  ExpertGate,
  ExpertVersion,
  GetExpertRequest,
  GetModelRequest,
  ListExpertsRequest,
  PublishExpertRequest,
  PublishModelRequest,
  RestoreRegistryRequest,
  RetireExpertRequest,
  SetAliasRequest,
  WatchExpertsRequest,
} from '#proto/zmesh/v1/expert_registry.js';
import { EncodeTokensRequest, GenerateTokensRequest } from '#proto/zmesh/v1/inference.js';
import { GetRunRequest, PauseRunRequest, StartRunRequest } from '#proto/zmesh/v1/trainer.js';
import type { Reason } from '#shared/errors.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { type Facts, specOf } from './facts.js';
import { STRICT, TOKENS_ONLY } from './mesh.js';
import { RUN_REQUEST, RUN_SPEC } from './seeds-trainer.js';

/** A request that is refused for one reason, by a mesh in good order. */
export interface Provocation {
  readonly reason: Reason;
  /** Name of the RPC. */
  readonly method: string;
  message(facts: Facts): Uint8Array;
}

const text = (value: string): Prompt => ({ input: { $case: 'text', value } });
const tokens = (ids: number[]): Prompt => ({ input: { $case: 'tokens', value: { ids } } });
const chat = (role: string): Prompt => ({
  input: { $case: 'chat', value: { messages: [{ role, content: 'Hello' }] } },
});

const encode = (model: string, prompt: Prompt | undefined) =>
  EncodeTokensRequest.encode({ model, prompt }).finish();

const underExpert = (expert: string, model = EMBEDDED_MODEL) =>
  CompleteRequest.encode({
    request: {
      ...GenerateRequest.fromPartial({ model, prompt: tokens([1, 2]) as never }),
      strategy: { kind: { $case: 'expert', value: { expert } } },
    },
  }).finish();

const underArms = (arms: readonly (readonly [name: string, alpha: number])[], { versions }: Facts) =>
  GenerateTokensRequest.encode({
    ...GenerateTokensRequest.fromPartial({ model: EMBEDDED_MODEL, prompt: tokens([1, 2]) as never }),
    mixture: {
      arms: arms.map(([name, alpha]) => ({
        expert: `${name}@${versions.get(name)}`,
        alpha,
        alphaPerMatrix: {},
      })),
    },
  }).finish();

const failedGate = ({ basisId, vectors }: Facts): Uint8Array =>
  PublishExpertRequest.encode({
    spec: { ...specOf('victim-0', basisId), description: 'failed' },
    vectors,
    alias: 'edge',
    gate: ExpertGate.FAILED,
  }).finish();

const publish = ({ basisId }: Facts, vectors: Uint8Array, basis = basisId) =>
  PublishExpertRequest.encode({ spec: specOf('victim-0', basis), vectors, alias: '' }).finish();

const vectors = (matrix: string, values: readonly number[]) =>
  writeVectors(new Map([[matrix, Float32Array.from(values)]]));

const MATRIX = 'model.layers.0.mlp.up_proj.weight';
const UNKNOWN = 'f'.repeat(64);

/** One for every reason that needs no outage. */
export const PROVOCATIONS: readonly Provocation[] = [
  {
    reason: 'INVALID_FIELD',
    method: 'GetExpert',
    message: () => GetExpertRequest.encode({ name: '/' }).finish(),
  },
  {
    reason: 'UNKNOWN_JOB',
    method: 'GetRun',
    message: () => GetRunRequest.encode({ id: 'nobody' }).finish(),
  },
  {
    reason: 'JOB_STATE',
    method: 'PauseRun',
    message: ({ run }) => PauseRunRequest.encode({ id: run }).finish(),
  },
  {
    reason: 'REQUEST_CONFLICT',
    method: 'StartRun',
    message: () =>
      StartRunRequest.encode({ requestId: RUN_REQUEST, spec: { ...RUN_SPEC, seed: 7n } }).finish(),
  },
  { reason: 'GATE_FAILED', method: 'PublishExpert', message: failedGate },
  { reason: 'MISSING_FIELD', method: 'Complete', message: () => new Uint8Array(0) },
  {
    reason: 'CONTEXT_EXCEEDED',
    method: 'GenerateTokens',
    message: () =>
      GenerateTokensRequest.encode(
        GenerateTokensRequest.fromPartial({
          model: EMBEDDED_MODEL,
          prompt: tokens(Array(600).fill(5)) as never,
        }),
      ).finish(),
  },
  {
    reason: 'TOKEN_OUT_OF_RANGE',
    method: 'EncodeTokens',
    message: () => encode(EMBEDDED_MODEL, tokens([497])),
  },
  { reason: 'NO_TOKENIZER', method: 'EncodeTokens', message: () => encode(TOKENS_ONLY, text('a')) },
  {
    reason: 'NO_CHAT_TEMPLATE',
    method: 'Classify',
    message: () =>
      ClassifyRequest.encode(
        ClassifyRequest.fromPartial({ model: TOKENS_ONLY, prompt: text('a') as never }),
      ).finish(),
  },
  { reason: 'TEMPLATE_FAILED', method: 'EncodeTokens', message: () => encode(STRICT, chat('refused')) },
  {
    reason: 'UNKNOWN_MODEL',
    method: 'GetModel',
    message: () => GetModelRequest.encode({ name: 'absent' }).finish(),
  },
  { reason: 'MODEL_REQUIRED', method: 'EncodeTokens', message: () => encode('', text('a')) },
  { reason: 'UNKNOWN_EXPERT', method: 'Complete', message: () => underExpert('nobody@stable') },
  { reason: 'UNKNOWN_VERSION', method: 'Complete', message: () => underExpert(`math@${UNKNOWN}`) },
  { reason: 'UNKNOWN_ALIAS', method: 'Complete', message: () => underExpert('math@nothing') },
  {
    reason: 'EXPERT_RETIRED',
    method: 'Complete',
    message: ({ versions }) => underExpert(`victim-retired@${versions.get('victim-retired')}`),
  },
  {
    reason: 'BASIS_MISMATCH',
    method: 'PublishExpert',
    message: (facts) => publish(facts, facts.vectors, `${UNKNOWN}:svd1`),
  },
  {
    reason: 'BASIS_MISMATCH',
    method: 'Complete',
    message: () => underExpert(`${EMBEDDED_MODEL}/math`, TOKENS_ONLY),
  },
  {
    reason: 'UNKNOWN_MATRIX',
    method: 'PublishExpert',
    message: (facts) => publish(facts, vectors('absent', [1])),
  },
  {
    reason: 'WRONG_SHAPE',
    method: 'PublishExpert',
    message: (facts) => publish(facts, vectors(MATRIX, [1, 1])),
  },
  {
    reason: 'BAD_MULTIPLIER',
    method: 'PublishExpert',
    message: (facts) => publish(facts, vectors(MATRIX, [Number.NaN])),
  },
  {
    reason: 'BAD_SAFETENSORS',
    method: 'PublishExpert',
    message: (facts) => publish(facts, Buffer.alloc(9, 255)),
  },
  {
    reason: 'BAD_MIXTURE',
    method: 'GenerateTokens',
    message: (facts) => underArms([['math', Number.NaN]], facts),
  },
  {
    reason: 'MIXED_NORMALISATION',
    method: 'GenerateTokens',
    message: (facts) =>
      underArms(
        [
          ['witness', 1],
          ['witness-trace', 1],
        ],
        facts,
      ),
  },
  {
    reason: 'TOO_LARGE',
    method: 'EncodeTokens',
    message: () => encode(EMBEDDED_MODEL, text('a'.repeat(5_000_000))),
  },
  {
    reason: 'ALIAS_CONFLICT',
    method: 'SetAlias',
    message: ({ versions }) =>
      SetAliasRequest.encode({
        model: EMBEDDED_MODEL,
        expert: 'victim-0',
        alias: 'conflict',
        version: versions.get('victim-0')!,
        expectedVersion: UNKNOWN,
      }).finish(),
  },
  {
    reason: 'EXPERT_IN_USE',
    method: 'RetireExpert',
    message: ({ versions }) =>
      RetireExpertRequest.encode({ name: `${EMBEDDED_MODEL}/math@${versions.get('math')}` }).finish(),
  },
  {
    reason: 'MODEL_CONFLICT',
    method: 'PublishModel',
    message: ({ manifest }) =>
      PublishModelRequest.encode({
        model: { ...manifest, fingerprint: UNKNOWN, basisId: `${UNKNOWN}:svd1` },
      }).finish(),
  },
  {
    reason: 'CORRUPT',
    method: 'RestoreRegistry',
    message: ({ basisId, vectors: file }) => {
      const expert = ExpertVersion.fromPartial({ spec: specOf('victim-0', basisId), version: UNKNOWN });
      const record = { $case: 'expert' as const, value: { expert, vectors: file } };
      return RestoreRegistryRequest.encode({ record: { format: 1, record } }).finish();
    },
  },
  {
    reason: 'BAD_PAGE_TOKEN',
    method: 'ListExperts',
    message: () => ListExpertsRequest.encode(ListExpertsRequest.fromPartial({ pageToken: 'x' })).finish(),
  },
  {
    reason: 'REVISION_UNAVAILABLE',
    method: 'WatchExperts',
    message: () => WatchExpertsRequest.encode({ model: '', afterRevision: 2n ** 40n }).finish(),
  },
];
