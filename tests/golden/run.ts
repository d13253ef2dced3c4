/**
 * The goldens' checks on any checkpoint: `npm run test:golden -- DIR …`
 *
 * DIR is a folder in the goldens' format (a Hugging Face folder with `golden.json` and `golden.safetensors`), or holds
 * such folders; default `tests/golden/models`. Imports each with every linear factored into a home of its own, starts a
 * nats-server, a registry and an inference service, publishes the experts, and compares through gRPC: logits of every
 * prompt, greedy tokens, and what must be equal bit for bit. Exit status: 0 all equal, 1 a difference, 2 no such folder.
 */
import { join, resolve } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import { checkAdapted, checkBits } from './service/checks.js';
import { findGoldenFolders, type GoldenFolder, readGoldenFolder } from './service/golden-folder.js';
import { startGoldenMesh } from './service/golden-mesh.js';

async function main(args: readonly string[]): Promise<number> {
  const given =
    args.length > 0 ? args.map((arg) => resolve(arg)) : [join(projectRoot, 'tests/golden/models')];
  let faults = 0;
  for (const path of given) {
    const folders = findGoldenFolders(path);
    if (folders.length === 0) {
      process.stderr.write(
        `${path} holds no golden checkpoint (config.json, golden.json, golden.safetensors)\n`,
      );
      return 2;
    }
    // One at a time: a real checkpoint fills the memory by itself.
    for (const folder of folders) faults += await checkFolder(readGoldenFolder(folder));
  }
  process.stdout.write(faults === 0 ? 'all equal\n' : `${faults} checks failed\n`);
  return faults === 0 ? 0 : 1;
}

async function checkFolder(golden: GoldenFolder): Promise<number> {
  process.stdout.write(`${golden.name}: importing and starting a mesh …\n`);
  const mesh = await startGoldenMesh([golden]);
  let faults = 0;
  const check = async (what: string, work: () => Promise<string>): Promise<void> => {
    try {
      process.stdout.write(`  ok    ${what}: ${await work()}\n`);
    } catch (error) {
      faults++;
      process.stdout.write(`  FAIL  ${what}: ${error instanceof Error ? error.message : error}\n`);
    }
  };
  for (const adapted of [null, ...golden.adapted])
    await check(adapted?.tag ?? 'base', () => adaptedLine(mesh, golden, adapted));
  await check('bits', async () => {
    await checkBits(mesh, golden);
    return 'one-hot mixtures are their expert, empty ones the base';
  });
  await mesh.stop();
  return faults;
}

async function adaptedLine(...checked: Parameters<typeof checkAdapted>): Promise<string> {
  const { error, tokensEqual, tokensBehindTie } = await checkAdapted(...checked);
  const behind = tokensBehindTie === 0 ? '' : `, ${tokensBehindTie} behind near ties`;
  return `logits within ${error.toExponential(1)} of the largest, ${tokensEqual} greedy tokens equal${behind}`;
}

process.exitCode = await main(process.argv.slice(2));
