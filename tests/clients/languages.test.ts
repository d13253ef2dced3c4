import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { sha256Hex } from '#shared/ids.js';
import { projectRoot } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';
import { cacheOf, GO, isAsked, LANGUAGES, type Language } from './languages.js';
import { type ClientMesh, startClientMesh } from './mesh.js';
import { withProgress } from './progress.js';
import { mustRun } from './run-command.js';
import { readSteps, type Steps } from './steps.js';
import { missingTool } from './toolchain.js';
import { servedSpan } from './trace-of.js';

const MODEL = 'octo-nano';
const VECTORS = join(projectRoot, 'models', MODEL, 'experts/math.safetensors');
const RUN_LIMIT_MS = 90_000;
const GENERATE_TOKENS = 'zmesh.v1.InferenceService/GenerateTokens';
const ANSWER = /: .* so 232\. answer 232$/;

let mesh: ClientMesh;
before(async () => {
  mesh = await startClientMesh();
});
after(() => mesh?.stop());

for (const { name, toolchain } of [...LANGUAGES, { name: 'tools', toolchain: GO }].filter(
  ({ name }) => !isAsked(name),
))
  it(`leaves ${name} out only where its toolchain is missing`, async () => {
    const missing = await missingTool(toolchain);
    assert.ok(missing, `${name} can be built here, so it may not be left out`);
  });

for (const language of LANGUAGES.filter(({ name }) => isAsked(name))) {
  describe(`a client in ${language.name}`, () => {
    let steps: Steps;
    before(async () => {
      await findToolchain(language);
      steps = readSteps(await buildAndRun(language));
    });
    it('is told the label, its probability and the exact expert', () => {
      assert.equal(steps.classify.label, 'math');
      assert.ok(steps.classify.confidence > 0.5 && steps.classify.confidence <= 1);
      assert.match(steps.classify.expert, /^octo-nano\/math@[0-9a-f]{64}$/);
    });
    it('gets the answer in pieces', () => {
      assert.match(steps.generate.text, ANSWER);
      assert.equal(steps.generate.finish_reason, 'FINISH_REASON_STOP');
      assert.ok(steps.generate.deltas > 10, `${steps.generate.deltas} deltas`);
    });
    it('reads the receipt in the last message and its short form in the trailing metadata', () => {
      const { receipt, classify, generate } = steps;
      assert.equal(receipt.strategy_used, 'classifier');
      assert.equal(receipt.label, 'math');
      assert.deepEqual(receipt.experts, [classify.expert]);
      assert.ok(receipt.completion_tokens >= generate.deltas);
      assert.equal(receipt.trailer_request_id, receipt.request_id);
      assert.equal(receipt.trailer_trace_id, receipt.trace_id);
      const { arms, completion_tokens } = receipt.trailer_receipt;
      assert.deepEqual(arms, { [`math@${classify.expert.split('@')[1]?.slice(0, 12)}`]: 1 });
      assert.equal(completion_tokens, receipt.completion_tokens);
    });
    it('publishes a version that the registry has under the alias, with the bytes that were sent', () =>
      checkPublished(language, steps));
    it('is answered by what it published', () => {
      assert.deepEqual(steps.use.experts, [`${MODEL}/from-${language.name}@${steps.publish.version}`]);
      assert.match(steps.use.text, /answer \d+$/);
    });
    it('cancels a stream, and the engine stops working for it', async () => {
      assert.equal(steps.cancel.code, 'CANCELLED');
      const span = await servedSpan(mesh.traces, steps.cancel.trace_id, GENERATE_TOKENS);
      assert.equal(span.attributes['rpc.status_code'], 'CANCELLED');
    });
    it('misses a deadline when it passes, which the engine keeps as well', async () => {
      assert.equal(steps.deadline.code, 'DEADLINE_EXCEEDED');
      assert.ok(
        steps.deadline.waited_ms >= 490 && steps.deadline.waited_ms < 2500,
        `${steps.deadline.waited_ms} ms`,
      );
      const span = await servedSpan(mesh.traces, steps.deadline.trace_id, GENERATE_TOKENS);
      assert.match(String(span.attributes['rpc.status_code']), /^(DEADLINE_EXCEEDED|CANCELLED)$/);
      assert.ok(span.durationMs < 1500, `the engine worked for ${span.durationMs} ms`);
    });
    it('reads reason, limit and value out of an error', () => {
      const { code, reason, limit, value, message } = steps.error;
      assert.deepEqual([code, reason, limit], ['INVALID_ARGUMENT', 'CONTEXT_EXCEEDED', '512']);
      assert.ok(Number(value) > 512, `value ${value}`);
      assert.match(message, new RegExp(`${value}.*512`));
    });
  });
}

async function findToolchain({ name, toolchain }: Language): Promise<void> {
  const missing = await missingTool(toolchain);
  if (missing !== undefined)
    assert.fail(`${name}: "${missing}" does not work here; install it, or leave ${name} out with --only`);
}

async function buildAndRun(language: Language): Promise<string> {
  const { name } = language;
  const cache = cacheOf(name);
  await withProgress(`${name}: building`, () =>
    language.build(join(projectRoot, 'tests/clients', name), cache),
  );
  const { dispatcher, registry } = mesh;
  const { line, env } = language.command(cache, { dispatcher, registry, vectors: VECTORS });
  return withProgress(`${name}: asking the mesh`, () =>
    mustRun(line, { limitMs: RUN_LIMIT_MS, ...(env === undefined ? {} : { env }) }),
  );
}

async function checkPublished({ name }: Language, { publish, alias }: Steps): Promise<void> {
  assert.deepEqual([alias.version, alias.previous_version], [publish.version, '']);
  const registry = connect(ExpertRegistryServiceService, {
    address: mesh.registry,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  try {
    const { expert, vectors } = await registry.getExpertVectors({
      name: `${MODEL}/from-${name}@${alias.alias}`,
    });
    assert.equal(expert?.version, publish.version);
    assert.equal(expert?.spec?.metadata.language, name);
    assert.equal(sha256Hex(vectors), publish.vectors_sha256);
  } finally {
    registry.close();
  }
}
