import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder, hashFiles, readOr } from './files.mjs';
import { runTool } from './run-tool.mjs';

/** TypeScript and the descriptor image of the contract, in proto/gen. */
export const generated = {
  name: 'generated code',

  /** Why it must be generated; undefined if it is current. */
  due(root) {
    if (!existsSync(join(root, 'proto/gen/image.binpb'))) return 'not there';
    return readOr(join(root, 'proto/gen/.stamp')) === stamp(root) ? undefined : 'the contract changed';
  },

  async run(root) {
    const buf = join(root, 'node_modules/.bin/buf');
    const before = stamp(root);
    await runTool(buf, ['generate'], { cwd: root });
    await runTool(
      buf,
      ['build', '--as-file-descriptor-set', '--exclude-source-info', '-o', 'proto/gen/image.binpb'],
      { cwd: root },
    );
    writeFileSync(join(root, 'proto/gen/.stamp'), before);
  },
};

function stamp(root) {
  const sources = filesUnder(join(root, 'proto'), (name) => name.endsWith('.proto'));
  const tools = JSON.parse(readOr(join(root, 'package-lock.json'), '{}')).packages ?? {};
  const versions = ['node_modules/ts-proto', 'node_modules/@bufbuild/buf'].map(
    (name) => tools[name]?.version,
  );
  return [hashFiles([...sources, join(root, 'buf.yaml'), join(root, 'buf.gen.yaml')]), ...versions].join(' ');
}
