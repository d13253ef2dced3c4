/**
 * `npm test`: set-up, then every test of the four layers, ending with the test runner's own summary.
 *
 *     npm test [-- PART …]      only test files whose path holds one of the parts, e.g. `npm test -- unit/cli mesh`
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { filesUnder } from './setup/files.mjs';
import { orExit, root, setUp } from './setup.mjs';

const LAYERS = ['unit', 'contract', 'mesh', 'golden'];
const TEST_LIMIT_MS = 10 * 60_000;

await orExit(() => setUp());
const parts = process.argv.slice(2);
const files = LAYERS.flatMap((layer) =>
  filesUnder(join(root, 'dist/tests', layer), (name) => name.endsWith('.test.js')),
)
  .map((file) => relative(root, file))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
await orExit(async () => {
  if (files.length === 0) throw new Error(`no test file matches ${parts.join(', ')}`);
});
const child = spawn(
  process.execPath,
  [
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${Math.min(4, Math.max(2, availableParallelism() - 1))}`,
    `--test-timeout=${TEST_LIMIT_MS}`,
    ...files,
  ],
  { cwd: root, stdio: 'inherit' },
);
// A Ctrl-C reaches the tests as well; this process only waits for them.
process.on('SIGINT', () => {});
child.on('exit', (code) => process.exit(code ?? 1));
