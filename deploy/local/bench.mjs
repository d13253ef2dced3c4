/**
 * `npm run bench -- <name> [arguments]`: set-up, then one of the measurements in tests/bench. Without a name it lists them.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { helpIfAsked, wrongArguments } from './setup/help.mjs';
import { runTool } from './setup/run-tool.mjs';
import { orExit, root, setUp } from './setup.mjs';

const names = readdirSync(join(root, 'tests/bench'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length));
const usage = `npm run bench -- <name> [arguments], name one of ${names.join(', ')}`;
helpIfAsked(`${usage}

Set-up, then one measurement; its arguments, if it takes any, are told at the top of tests/bench/<name>.ts.`);
const [name, ...args] = process.argv.slice(2);
if (!names.includes(name)) wrongArguments(name === undefined ? usage : `no measurement "${name}": ${usage}`);
await orExit(async () => {
  await setUp({ quiet: true });
  await runTool(process.execPath, [join(root, 'dist/tests/bench', `${name}.js`), ...args], { cwd: root });
});
