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
import { helpIfAsked, wrongArguments } from './setup/help.mjs';
import { orExit, root, setUp } from './setup.mjs';

const PARTS = ['node', 'python', 'go', 'java', 'rust', 'tools'];
/** First builds fetch and compile a few hundred packages. */
const TEST_LIMIT_MS = 30 * 60_000;

helpIfAsked(`npm run test:clients [-- --only PART,…]

A client in each language and foreign gRPC tools against a real mesh. PART: ${PARTS.join(', ')}; default all of them.
A part whose toolchain is missing fails, unless --only leaves it out.`);
const only = parts();
await orExit(() => setUp({ quiet: true }));
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

function parts() {
  try {
    const { values } = parseArgs({ options: { only: { type: 'string', default: PARTS.join() } } });
    const asked = values.only.split(',');
    const unknown = asked.find((part) => !PARTS.includes(part));
    return unknown === undefined ? asked : wrongArguments(`no part "${unknown}" (${PARTS.join(', ')})`);
  } catch (error) {
    return wrongArguments(error.message.split('\n')[0]);
  }
}
