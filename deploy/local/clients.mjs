/**
 * `npm run test:clients`: set-up, then a client in each language and foreign gRPC tools against a real mesh.
 *
 *     npm run test:clients [-- --only PART,…]      PART: node, python, go, java, rust, tools; default all of them
 *
 * A part whose toolchain is missing fails, unless --only leaves it out; one whose toolchain works here may not be left out.
 * What is built is kept in `<home>/cache/clients`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { orExit, root, setUp } from './setup.mjs';

const PARTS = ['node', 'python', 'go', 'java', 'rust', 'tools'];
/** First builds fetch and compile a few hundred packages. */
const TEST_LIMIT_MS = 30 * 60_000;

const only = await orExit(async () => {
  const { values } = parseArgs({ options: { only: { type: 'string', default: PARTS.join() } } });
  const parts = values.only.split(',');
  const unknown = parts.filter((part) => !PARTS.includes(part));
  if (unknown.length > 0) throw new Error(`no part "${unknown.join()}" (${PARTS.join(', ')})`);
  await setUp({ quiet: true });
  return parts;
});
const files = [
  'languages',
  ...(only.includes('python') ? ['reward-server'] : []),
  ...(only.includes('tools') ? ['tools'] : []),
];
const child = spawn(
  process.execPath,
  [
    '--test',
    '--test-reporter=spec',
    '--test-concurrency=1',
    `--test-timeout=${TEST_LIMIT_MS}`,
    ...files.map((name) => join(root, 'dist/tests/clients', `${name}.test.js`)),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ZMESH_CLIENTS_ONLY: only.join() } },
);
// A Ctrl-C reaches the tests as well; this process only waits for them.
process.on('SIGINT', () => {});
child.on('exit', (code) => process.exit(code ?? 1));
