/**
 * Does what is missing before zmesh can run in this checkout: dependencies, generated code, build.
 * Node's own modules only: it runs before anything is installed.
 *
 *     node deploy/local/setup.mjs [dependencies | generate | build]     (default build: all three)
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './setup/build.mjs';
import { dependencies } from './setup/dependencies.mjs';
import { generated } from './setup/generated.mjs';
import { withLock } from './setup/lock.mjs';
import { nodeFault } from './setup/node-version.mjs';

/** The folder that holds package.json. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const STEPS = [dependencies, generated, build];

/**
 * Runs the first `count` steps (default all) that are due, one set-up at a time. `say` hears a line for each thing done,
 * and one about what is reused unless `quiet`.
 */
export async function setUp({ count = STEPS.length, quiet = false, say = toStderr } = {}) {
  const fault = nodeFault(process.versions.node);
  if (fault) throw new Error(fault);
  const steps = STEPS.slice(0, count);
  if (!steps.some((step) => step.due(root))) {
    if (!quiet) say(`set-up: nothing to do, ${steps.map((step) => step.name).join(', ')} are current`);
    return;
  }
  await withLock(join(root, '.zmesh/setup.lock'), say, async () => {
    for (const step of steps) {
      const why = step.due(root);
      if (!why) {
        if (!quiet) say(`set-up: ${step.name}: current`);
        continue;
      }
      const start = performance.now();
      say(`set-up: ${step.name}: ${why}, working …`);
      await step.run(root);
      say(`set-up: ${step.name}: done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  });
}

/** Runs `work`; an error becomes one line and exit status 1. */
export async function orExit(work) {
  try {
    return await work();
  } catch (error) {
    toStderr(`error: ${error.message}`);
    process.exit(1);
  }
}

function toStderr(line) {
  process.stderr.write(`${line}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const count = ['dependencies', 'generate', 'build'].indexOf(process.argv[2] ?? 'build') + 1;
  await orExit(async () => {
    if (count === 0) throw new Error(`set-up: no step "${process.argv[2]}" (dependencies, generate, build)`);
    await setUp({ count });
  });
}
