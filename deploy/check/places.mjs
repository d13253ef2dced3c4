import { resolve } from 'node:path';
import { root } from '../local/setup.mjs';

export { root };

/** Where tools are cached: `ZMESH_HOME`, default `.zmesh` in the project. */
export const home = resolve(root, process.env.ZMESH_HOME || '.zmesh');

/** Writes one line of what the checks do. */
export function say(line) {
  process.stderr.write(`check:deploy: ${line}\n`);
}
