/**
 * `npm run build:client`: builds the package @zmesh/client in shared/client/package, ready for `npm pack` or `npm publish`
 * there. It holds the client and the part of shared/ and of the contract that it uses, with their types.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './setup/run-tool.mjs';
import { orExit, root, setUp } from './setup.mjs';

const folder = join(root, 'shared/client/package');

await orExit(async () => {
  await setUp({ count: 2, quiet: true });
  rmSync(join(folder, 'dist'), { recursive: true, force: true });
  await runTool(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: root });
  copyFileSync(join(root, 'LICENSE'), join(folder, 'dist/LICENSE'));
});
