import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { checkGradient } from './check-gradients.js';
import { checkAdapted, checkBits } from './checks.js';
import { findGoldenFolders, readGoldenFolder } from './golden-folder.js';
import { type GoldenMesh, startGoldenMesh } from './golden-mesh.js';

const FOLDERS = findGoldenFolders(join(projectRoot, 'tests/golden/models')).map(readGoldenFolder);

describe('through the real service', () => {
  let mesh: GoldenMesh;
  before(async () => {
    mesh = await startGoldenMesh(FOLDERS, { ZMESH_INFERENCE_KV_BYTES: String(16 << 20) });
  });
  after(() => mesh?.stop());
  for (const golden of FOLDERS) {
    for (const adapted of [null, ...golden.adapted]) {
      test(`${golden.name}, ${adapted?.tag ?? 'base'}: logits and greedy tokens are transformers'`, async (t) => {
        const result = await checkAdapted(mesh, golden, adapted);
        t.diagnostic(`logit error ${result.error.toExponential(1)}, ${result.tokensEqual} tokens equal`);
        if (result.tokensBehindTie > 0) t.diagnostic(`${result.tokensBehindTie} tokens behind a near tie`);
      });
    }
    for (const gradient of golden.gradients) {
      test(`${golden.name}, ${gradient.tag}: loss, log-probabilities, KL and gradients are PyTorch's`, async (t) => {
        const { error, matrices } = await checkGradient(mesh, golden, gradient);
        t.diagnostic(`${matrices} matrices within ${error.toExponential(1)} of their largest entry`);
      });
    }
    test(`${golden.name}: one-hot mixtures are their expert and empty ones the base, bit for bit`, async () => {
      await checkBits(mesh, golden);
    });
  }
});
