import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { filesUnder, hashFiles, readOr } from './files.mjs';
import { runTool } from './run-tool.mjs';

const SOURCE_FOLDERS = ['proto/gen', 'shared', 'services', 'deploy', 'tests'];

/** JavaScript of all sources, in dist. */
export const build = {
  name: 'build',

  /** Why it must be built; undefined if it is current. */
  due(root) {
    const sources = sourcesOf(root);
    const missing = sources.find((file) => !existsSync(outputOf(root, file)));
    if (missing) return existsSync(join(root, 'dist')) ? `${relative(root, missing)} is new` : 'not built';
    return readOr(join(root, 'dist/.stamp')) === stamp(root, sources) ? undefined : 'sources changed';
  },

  async run(root) {
    const sources = sourcesOf(root);
    const before = stamp(root, sources);
    rmSync(join(root, 'dist/.stamp'), { force: true });
    // The compiler trusts its notes and would not write again what was deleted.
    if (sources.some((file) => !existsSync(outputOf(root, file))))
      rmSync(join(root, 'dist/.tsbuildinfo'), { force: true });
    await runTool(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: root });
    removeOrphans(root, sources);
    writeFileSync(join(root, 'dist/.stamp'), before);
  },
};

function sourcesOf(root) {
  const keep = (name) => name.endsWith('.ts') && !name.endsWith('.d.ts');
  return SOURCE_FOLDERS.flatMap((folder) => filesUnder(join(root, folder), keep));
}

function outputOf(root, source) {
  return join(root, 'dist', relative(root, source)).replace(/\.ts$/, '.js');
}

function stamp(root, sources) {
  return hashFiles([...sources, join(root, 'tsconfig.json'), join(root, 'package.json')]);
}

/** Outputs of sources that are gone would still be found, and their tests run. */
function removeOrphans(root, sources) {
  const wanted = new Set(sources.map((file) => outputOf(root, file)));
  for (const file of filesUnder(join(root, 'dist'), (name) => /\.js(\.map)?$/.test(name))) {
    if (!wanted.has(file.replace(/\.map$/, ''))) rmSync(file);
  }
}
