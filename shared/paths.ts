import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds zmesh's package.json. */
export const projectRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

/** Where prepared models, the local run's state and downloaded tools live: `ZMESH_HOME`, default `.zmesh` in the project. */
export function zmeshHome(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env.ZMESH_HOME || join(projectRoot, '.zmesh'));
}
