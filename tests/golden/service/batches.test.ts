import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { type Asked, askGreedy, askLogits, type GreedyToken } from './ask.js';
import { compareLogits, TOLERANCE } from './checks.js';
import { findGoldenFolders, type GoldenFolder, readGoldenFolder } from './golden-folder.js';
import { type GoldenMesh, startGoldenMesh } from './golden-mesh.js';

const FOLDERS = findGoldenFolders(join(projectRoot, 'tests/golden/models')).map(readGoldenFolder);
/** 1 000 over all checkpoints. */
const ROUNDS = 200;
const POOL = 24;
const NEW_TOKENS = 6;

/** One question and its results when nothing else runs. */
interface Question {
  readonly asked: Asked;
  readonly logits: Float32Array;
  readonly greedy: readonly GreedyToken[];
}

describe('whatever else is in the batch', () => {
  let mesh: GoldenMesh;
  before(async () => {
    // A small step makes chunks of most prompts, so that chunks, decodes and other prompts meet.
    mesh = await startGoldenMesh(FOLDERS, {
      ZMESH_INFERENCE_STEP_TOKENS: '48',
      ZMESH_INFERENCE_KV_BYTES: String(16 << 20),
    });
  });
  after(() => mesh?.stop());
  for (const golden of FOLDERS) {
    test(`${golden.name}: ${ROUNDS} random batches leave each answer as it is alone`, async (t) => {
      const random = randomNumbers(golden.name.length * 7919);
      const pool: Question[] = [];
      for (let i = 0; i < POOL; i++) pool.push(await questionAlone(mesh, golden, random));
      const counts = { answers: 0, bitEqual: 0, ties: 0, error: 0 };
      for (let round = 0; round < ROUNDS; round++) {
        const batch = Array.from({ length: 2 + random(7) }, () => pool[random(POOL)]!);
        await Promise.all(batch.map((question) => checkTogether(mesh, question, random(3) === 0, counts)));
      }
      const { answers, bitEqual, ties, error } = counts;
      t.diagnostic(
        `${bitEqual} of ${answers} bit-equal, largest error ${error.toExponential(1)}, ${ties} near ties`,
      );
      assert(ties <= answers / 100, `${ties} of ${answers} answers parted at near ties`);
    });
  }
});

async function questionAlone(
  mesh: GoldenMesh,
  golden: GoldenFolder,
  random: (below: number) => number,
): Promise<Question> {
  const vocabularySize = golden.tensors.get('logits/base/0')!.shape.at(-1)!;
  const prompt = Array.from({ length: 1 + random(90) }, () => 3 + random(vocabularySize - 3));
  const adapted = [null, ...golden.adapted][random(golden.adapted.length + 1)]!;
  const asked = { model: golden.name, prompt, mixture: mesh.mixture(golden, adapted) };
  return {
    asked,
    logits: await askLogits(mesh, asked, 'last'),
    greedy: await askGreedy(mesh, asked, NEW_TOKENS),
  };
}

async function checkTogether(
  mesh: GoldenMesh,
  { asked, logits, greedy }: Question,
  asLogits: boolean,
  counts: { answers: number; bitEqual: number; ties: number; error: number },
): Promise<void> {
  counts.answers++;
  const scale = Math.max(...logits.map(Math.abs));
  if (asLogits) {
    const { error } = compareLogits(await askLogits(mesh, asked, 'last'), logits);
    assert(error <= TOLERANCE, `logits differ by ${error} of the largest`);
    counts.error = Math.max(counts.error, error);
    if (error === 0) counts.bitEqual++;
    return;
  }
  const together = await askGreedy(mesh, asked, NEW_TOKENS);
  let error = 0;
  for (const [i, { token, logProb }] of together.entries()) {
    if (token !== greedy[i]!.token) {
      assert(greedy[i]!.lead <= 2 * TOLERANCE * scale, `token ${i} is ${token}, alone ${greedy[i]!.token}`);
      counts.ties++;
      break;
    }
    error = Math.max(error, Math.abs(logProb - greedy[i]!.logProb) / scale);
  }
  assert(error <= TOLERANCE, `log-probabilities differ by ${error} of the largest logit`);
  counts.error = Math.max(counts.error, error);
  if (error === 0) counts.bitEqual++;
}

/** mulberry32: whole numbers below its argument. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
