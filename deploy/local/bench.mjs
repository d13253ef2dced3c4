/**
 * `npm run bench -- <name> [arguments]`: set-up, then one of the measurements in tests/bench. Without a name it lists them.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './setup/run-tool.mjs';
import { orExit, root, setUp } from './setup.mjs';

await orExit(async () => {
  await setUp({ quiet: true });
  const names = readdirSync(join(root, 'tests/bench'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length));
  const [name, ...args] = process.argv.slice(2);
  if (!names.includes(name)) throw new Error(`npm run bench -- <name>, one of ${names.join(', ')}`);
  await runTool(process.execPath, [join(root, 'dist/tests/bench', `${name}.js`), ...args], { cwd: root });
});
