import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chat, Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateTokensRequest } from '#proto/zmesh/v1/inference.js';
import { projectRoot } from '#shared/paths.js';
import { type GoldenTensor, readGoldenTensors } from '../../support/read-safetensors.js';
import type { GoldenAdapted, GoldenFolder } from './golden-folder.js';
import { type GoldenMesh, startGoldenMesh } from './golden-mesh.js';

const FOLDER = join(projectRoot, 'models/octo-nano');
const EXPERTS = ['math', 'code', 'reasoning'] as const;
/** Id of the end of a turn. */
const END = 2;
const WAYS = ['none', ...EXPERTS, 'uniform'] as const;

/** Greedy answers that PyTorch gave under each way of adapting. */
type Answer = { readonly id: string; readonly prompt: string } & Readonly<
  Record<(typeof WAYS)[number], { readonly ids: readonly number[]; readonly text: string }>
>;

const { answers } = JSON.parse(readFileSync(join(FOLDER, 'golden.json'), 'utf8')) as {
  answers: Record<string, readonly Answer[]>;
};

const golden: GoldenFolder = {
  folder: FOLDER,
  name: 'octo-nano',
  prompts: [],
  greedy: [],
  adapted: [],
  gradients: [],
  tensors: new Map(
    EXPERTS.flatMap((expert) =>
      [...readGoldenTensors(join(FOLDER, 'experts', `${expert}.safetensors`))].map(
        ([weight, tensor]): [string, GoldenTensor] => [`expert/${expert}/${weight}`, tensor],
      ),
    ),
  ),
};

describe('the embedded model through the real service', () => {
  let mesh: GoldenMesh;
  before(async () => {
    mesh = await startGoldenMesh([golden]);
  });
  after(() => mesh?.stop());

  for (const way of WAYS) {
    test(`answers under ${way} are PyTorch's, id for id and letter for letter`, async (t) => {
      const told = await Promise.all(
        Object.values(answers)
          .flat()
          .map((answer) => ask(mesh, answer, way).then((got) => ({ got, expected: answer[way] }))),
      );
      for (const { got, expected } of told) {
        assert.deepEqual(got.ids, expected.ids);
        assert.equal(got.text, expected.text);
      }
      t.diagnostic(`${told.length} answers equal`);
    });
  }
});

async function ask(
  mesh: GoldenMesh,
  answer: Answer,
  way: (typeof WAYS)[number],
): Promise<{ ids: number[]; text: string }> {
  const arms =
    way === 'uniform' ? EXPERTS.map((expert) => ({ expert, alpha: 1 / 3 })) : [{ expert: way, alpha: 1 }];
  const adapted: Pick<GoldenAdapted, 'mixture' | 'normalisation'> | null =
    way === 'none' ? null : { mixture: arms, normalisation: 'trace' };
  const prompt = Prompt.create({
    input: { $case: 'chat', value: Chat.create({ messages: [{ role: 'user', content: answer.prompt }] }) },
  });
  const { ids } = answer[way];
  // An answer without an end was cut off at its task's budget.
  const sampling = Sampling.create({ maxTokens: ids.at(-1) === END ? 128 : ids.length });
  const request = GenerateTokensRequest.create({ model: golden.name, prompt, sampling });
  const told = { ids: [] as number[], text: '' };
  for await (const { event } of mesh.client.generateTokens({
    ...request,
    mixture: mesh.mixture(golden, adapted),
  })) {
    if (event?.$case !== 'delta') continue;
    told.ids.push(...event.value.tokenIds);
    told.text += event.value.text;
  }
  return told;
}
