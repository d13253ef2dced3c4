import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it, type TestContext } from 'node:test';
import {
  FinishReason,
  Mixture,
  MixtureArm,
  Normalisation,
  Prompt,
  Sampling,
} from '#proto/zmesh/v1/common.js';
import {
  ComputeGradientRequest,
  type ComputeGradientResponse,
  EncodeTokensRequest,
  GenerateTokensRequest,
  GradientSequence,
  KlDirection,
} from '#proto/zmesh/v1/inference.js';
import { SETTINGS } from '#services/inference/config.js';
import { readSource } from '#services/inference/model/read-source.js';
import type { StreamDecoder } from '#services/inference/model/stream-decoder.js';
import { loadTokenizer, type ModelTokenizer } from '#services/inference/model/tokenizer.js';
import { readWeight } from '#services/inference/model/weight-place.js';
import { publishExpert, spectralMatrices } from '#shared/experts/publish.js';
import type { NormalisationName } from '#shared/svf/model.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { lastFirst } from '../support/cleanup.js';
import { compareAnswer, type Difference } from './compare.js';
import { GOLDEN, GOLDEN_ADAPTED, type GoldenAnswer } from './golden-file.js';
import { MODEL, startRealMesh } from './real-mesh.js';

/**
 * Largest error of a logit or log-probability that is accepted: five times what was measured (1.1e-4, of which the rounding
 * of the goldens to four decimals may be 1e-4). The smallest lead of a greedy token is 5e-3, ten times as much.
 */
const TOLERANCE = 5e-4;

/** The service's own default. */
const GRADIENT_BYTES = SETTINGS.gradientBytes.default;

const mesh = await startRealMesh(lastFirst({ after }), (line) => process.stderr.write(`${line}\n`));
const { inference, registry } = mesh;
const servingBytes = process.platform === 'linux' ? anonymousBytes(mesh.inferencePid) : 0;

describe('SmolLM2-135M-Instruct as it is published', { concurrency: false }, () => {
  it('is dequantised as its reference is, in the order of the Hugging Face checkpoint', async () => {
    const checkpoint = await (await readSource(mesh.file)).open();
    try {
      for (const [name, golden] of Object.entries(GOLDEN.tensors)) {
        const weight = checkpoint.weights.find((candidate) => candidate.name === name);
        assert(weight, name);
        assert.deepEqual(weight.shape, golden.shape, name);
        const values = await readWeight(weight.place);
        assert.deepEqual([...values.subarray(0, golden.head.length)], golden.head, name);
        let sum = 0;
        let absSum = 0;
        for (const value of values) {
          sum += value;
          absSum += Math.abs(value);
        }
        // The reference adds in f64 too, in another order.
        assert(
          Math.abs(sum - golden.sum) <= 1e-12 * golden.abs_sum,
          `${name}: sum ${sum}, not ${golden.sum}`,
        );
        assert(Math.abs(absSum - golden.abs_sum) <= 1e-12 * golden.abs_sum, `${name}: Σ|w| ${absSum}`);
      }
    } finally {
      await checkpoint.close();
    }
  });

  it('has its tokenizer: the same ids, and the same text back', async () => {
    const tokenizer: ModelTokenizer | null = await loadTokenizer(mesh.prepared);
    assert(tokenizer);
    for (const { text, ids, decoded } of GOLDEN.tokenizer) {
      if (text !== '') {
        const prompt = Prompt.create({ input: { $case: 'text', value: text } });
        const answer = await inference.encodeTokens(EncodeTokensRequest.create({ model: MODEL, prompt }));
        assert.deepEqual(answer.tokenIds, ids, JSON.stringify(text));
      }
      const decoder: StreamDecoder = tokenizer.decoder();
      const back: string = ids.map((id) => decoder.push(id)).join('') + decoder.end();
      // Special tokens are no part of an answer's text.
      assert.equal(back, decoded.replace(/<\|im_(start|end)\|>/g, ''), JSON.stringify(text));
    }
  });

  for (const [index, golden] of GOLDEN.chats.entries()) {
    it(`chat ${index + 1}: template, token ids, logits, greedy answer`, async (t) => {
      const messages = golden.messages.map(({ role, content }) => ({ role, content }));
      const prompt = Prompt.create({ input: { $case: 'chat', value: { messages } } });
      const encoded = await inference.encodeTokens(EncodeTokensRequest.create({ model: MODEL, prompt }));
      assert.equal(encoded.rendered, golden.rendered);
      assert.deepEqual(encoded.tokenIds, golden.prompt_ids);
      const difference = await compareAnswer(mesh, { golden, mixture: undefined, tolerance: TOLERANCE });
      tell(t, difference);
      if (difference.tokensBehindTie === 0) await checkText(prompt, golden);
    });
  }
});

describe('SmolLM2-135M-Instruct under an expert', { concurrency: false }, () => {
  for (const normalisation of ['none', 'trace'] as const) {
    it(`answers as its reference with normalisation ${normalisation}`, async (t) => {
      const mixture = await publish(normalisation);
      for (const golden of GOLDEN_ADAPTED[normalisation])
        tell(t, await compareAnswer(mesh, { golden, mixture, tolerance: TOLERANCE }));
    });
  }
});

describe('gradients of SmolLM2-135M-Instruct', { concurrency: false }, () => {
  /** Two prompts, four answers to each, about 100 tokens a sequence. */
  const sequences = GOLDEN.chats.slice(0, 2).flatMap(({ prompt_ids: ids, greedy_ids: greedy }) =>
    [0, 1, 2, 3].map((k) =>
      GradientSequence.create({
        prompt: { input: { $case: 'tokens', value: { ids: ids.slice(0, 45) } } },
        answer: { ids: Array.from({ length: 55 }, (_, i) => greedy[(i + 3 * k) % greedy.length]!) },
        weight: [1, -0.5, 0.25, -0.75][k]! / 8,
        klWeight: 1 / 8,
      }),
    ),
  );
  const compute = (multipliers: ReadonlyMap<string, Float32Array>) =>
    inference.computeGradient(
      ComputeGradientRequest.create({
        model: MODEL,
        sequences,
        multipliers: { vectors: writeVectors(multipliers), normalisation: Normalisation.TRACE },
        klCoefficient: 0.2,
        klDirection: KlDirection.POLICY_TO_REFERENCE,
      }),
    );
  const lossOf = ({ policyLoss, klLoss }: ComputeGradientResponse): number => policyLoss + klLoss;

  it('say how the loss changes along themselves', async (t) => {
    const multipliers = await goldenMultipliers();
    const answer = await compute(multipliers);
    const gradient = new Map(
      answer.gradients[0]!.matrices.map(({ matrix, values }) => [
        matrix,
        new Float64Array(new Uint8Array(values).buffer),
      ]),
    );
    const squares = [...gradient.values()].flatMap((values) => values.reduce((sum, g) => sum + g * g, 0));
    const norm = Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
    // So far that the loss changes by about 0.1 each way: well above f32's rounding, well below its curvature.
    const step = 0.1 / norm;
    const moved = (sign: 1 | -1) =>
      new Map(
        [...multipliers].map(([name, values]) => [
          name,
          values.map((value, i) => value + (sign * step * gradient.get(name)![i]!) / norm),
        ]),
      );
    const measured = (lossOf(await compute(moved(1))) - lossOf(await compute(moved(-1)))) / (2 * step);
    t.diagnostic(`|gradient| ${norm.toFixed(4)}, differences say ${measured.toFixed(4)}`);
    assert.ok(Math.abs(measured - norm) <= 1e-2 * norm, `${norm}, differences say ${measured}`);
  });

  it('are zero in the KL, to the bit, where every multiplier is 1', async () => {
    const ones = new Map([...(await goldenMultipliers())].map(([name, m]) => [name, m.map(() => 1)]));
    const { klLoss, sequences: losses } = await compute(ones);
    assert.equal(klLoss, 0);
    assert.ok(losses.every(({ kl }) => kl === 0));
  });

  it('take no more memory than their setting allows', { skip: process.platform !== 'linux' }, async (t) => {
    const multipliers = await goldenMultipliers();
    // What serving and earlier gradients left behind is not given back to the system, so it counts as well.
    let peak = 0;
    const sampler = setInterval(() => {
      peak = Math.max(peak, anonymousBytes(mesh.inferencePid));
    }, 5);
    const { summary } = await compute(multipliers).finally(() => clearInterval(sampler));
    const grown = peak - servingBytes;
    t.diagnostic(`${summary!.parts} parts, ${Math.round(grown / 1e6)} MB above serving`);
    assert.ok(summary!.parts > 1);
    assert.ok(grown <= GRADIENT_BYTES, `${grown} bytes above serving, the limit is ${GRADIENT_BYTES}`);
  });
});

/** Bytes of a process's own memory, without what it maps from files. */
function anonymousBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Publishes the goldens' expert. */
async function publish(normalisation: NormalisationName): Promise<Mixture> {
  const multipliers = await goldenMultipliers();
  const { expert } = await publishExpert({
    registry,
    model: MODEL,
    name: `wave-${normalisation}`,
    kind: 'task',
    label: '',
    description: '',
    metadata: {},
    expert: { normalisation, multipliers },
    alias: '',
  });
  const arm = MixtureArm.create({ expert: `wave-${normalisation}@${expert.version}`, alpha: 1 });
  return Mixture.create({ arms: [arm] });
}

/** The goldens' multipliers: 1 + 0.08·sin(0.37·i + layer + 2·k) in f32, k = 0 gate, 1 up, 2 down. */
async function goldenMultipliers(): Promise<ReadonlyMap<string, Float32Array>> {
  assert.match(GOLDEN_ADAPTED.expert, /m = 1 \+ 0\.08\*sin\(0\.37\*i \+ L \+ 2\*k\)/);
  const { model } = await registry.getModel({ name: MODEL });
  const multipliers = new Map(
    spectralMatrices(model!).map(({ name, sigma }) => {
      const [, layer, kind] = /^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\.weight$/.exec(name) ?? [];
      assert(kind, name);
      const shift = Number(layer) + 2 * ['gate', 'up', 'down'].indexOf(kind);
      return [name, Float32Array.from(sigma, (_, i) => 1 + 0.08 * Math.sin(0.37 * i + shift))] as const;
    }),
  );
  assert.equal(multipliers.size, 90);
  return multipliers;
}

/** The answer as a client gets it: text, up to the end of the turn. */
async function checkText(prompt: Prompt, golden: GoldenAnswer): Promise<void> {
  const end = '<|im_end|>';
  const sampling = Sampling.create({ maxTokens: golden.greedy_ids.length });
  let text = '';
  let reason: FinishReason | undefined;
  for await (const { event } of inference.generateTokens(
    GenerateTokensRequest.create({ model: MODEL, prompt, sampling }),
  )) {
    if (event?.$case === 'delta') text += event.value.text;
    if (event?.$case === 'end') reason = event.value.finishReason;
  }
  const ends = golden.greedy_text.endsWith(end);
  assert.equal(text, ends ? golden.greedy_text.slice(0, -end.length) : golden.greedy_text);
  assert.equal(reason, ends ? FinishReason.STOP : FinishReason.LENGTH);
}

function tell(t: TestContext, { logit, logProb, tokensEqual, tokensBehindTie }: Difference): void {
  const behind = tokensBehindTie === 0 ? '' : `, ${tokensBehindTie} behind a near tie`;
  t.diagnostic(
    `logits within ${logit.toExponential(1)}, log-probabilities within ${logProb.toExponential(1)}, ${tokensEqual} greedy tokens equal${behind}`,
  );
}
