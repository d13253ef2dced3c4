/**
 * `npm run check`: what continuous integration runs. Generates code and tables, formats, lints, type-checks and tests.
 * With CI=true it fails if that changed a committed file: the tree was not checked before it was committed.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { runTool } from './setup/run-tool.mjs';
import { orExit, root, setUp } from './setup.mjs';

const node = (...args) => runTool(process.execPath, args, { cwd: root });
const bin = (name, ...args) => runTool(join(root, 'node_modules/.bin', name), args, { cwd: root });

/** The checks by name, in the order in which `check` runs them. */
const CHECKS = {
  generate: () => setUp({ count: 2 }),
  docs: async () => {
    await setUp({ quiet: true });
    await node(join(root, 'dist/deploy/docs/write.js'));
  },
  format: async () => {
    await bin('biome', 'check', '--write', '--linter-enabled=false', '--log-level=warn', '.');
    await bin('buf', 'format', '--write', '--path', 'proto/zmesh');
  },
  lint: async () => {
    await bin('biome', 'lint', '--error-on-warnings', '.');
    await bin('buf', 'lint');
    await bin('buf', 'breaking', '--against', 'proto/released.binpb');
  },
  types: () => bin('tsc', '-p', '.', '--noEmit'),
  test: async () => {
    cleanTree();
    await node(join(root, 'deploy/local/test.mjs'));
    cleanTree();
  },
};

function cleanTree() {
  if (process.env.CI !== 'true') return;
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' }).trim();
  if (changed) throw new Error(`the checks changed the tree; run npm run check and commit:\n${changed}`);
}

const asked = process.argv.slice(2);
await orExit(async () => {
  await setUp({ count: 2, quiet: true });
  for (const name of asked.length > 0 ? asked : Object.keys(CHECKS)) {
    if (!CHECKS[name]) throw new Error(`no check "${name}" (${Object.keys(CHECKS).join(', ')})`);
    process.stderr.write(`check: ${name}\n`);
    await CHECKS[name]();
  }
});
