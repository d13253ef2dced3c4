import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { type ClientMesh, startClientMesh } from '../clients/mesh.js';
import { mustRun, runCommand } from '../clients/run-command.js';

const PACKAGE = join(projectRoot, 'shared/client/package');
const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    version: string;
    dependencies: Record<string, string>;
  };

/** A user's program: what it prints is checked below. */
const PROGRAM = `
import { ZmeshClient, ZmeshError } from '@zmesh/client';
import { FinishReason } from '@zmesh/client/proto/common';
const [address, registryAddress] = process.argv.slice(2);
const mesh = new ZmeshClient({ address, registryAddress });
const answer = mesh.generate({
  prompt: 'Mia has 889 cards and gives away 657. How many cards now?',
  strategy: 'classifier',
});
let text = '';
let stopped = false;
for await (const event of answer) {
  if (event.type === 'delta') text += event.text;
  if (event.type === 'end') stopped = event.finishReason === FinishReason.STOP;
}
const aliases: string[] = [];
for await (const { spec, aliases: found } of mesh.experts.list()) aliases.push(\`\${spec?.name}@\${found.join()}\`);
const reason = await mesh.complete({ prompt: 'hi', sampling: { maxTokens: 510 } }).catch((error: unknown) =>
  error instanceof ZmeshError ? [error.reason, error.limit] : String(error),
);
mesh.close();
console.log(JSON.stringify({ text, stopped, arms: answer.receipt?.arms.map(({ expert }) => expert), aliases, reason }));
`;

let mesh: ClientMesh;
let folder: string;

before(async () => {
  mesh = await startClientMesh();
  folder = await installed();
});
after(async () => {
  await mesh?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** An empty project with the packed package in it, and links to what it depends on: nothing is fetched. */
async function installed(): Promise<string> {
  const empty = mkdtempSync(join(tmpdir(), 'zmesh-user-'));
  await mustRun([process.execPath, join(projectRoot, 'deploy/local/client-package.mjs')]);
  const packed = await mustRun(['npm', 'pack', '--json', '--pack-destination', empty], { cwd: PACKAGE });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const modules = join(empty, 'node_modules');
  mkdirSync(join(modules, '@zmesh/client'), { recursive: true });
  await mustRun(
    ['tar', '-xzf', join(empty, filename), '--strip-components=1', '-C', join(modules, '@zmesh/client')],
    {},
  );
  const links = [...Object.keys(manifestOf(PACKAGE).dependencies), '@types/node'];
  for (const name of links) {
    mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(join(projectRoot, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(empty, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(empty, 'ask.ts'), PROGRAM);
  return empty;
}

describe('the package @zmesh/client', () => {
  it('has types that a strict program compiles against', async () => {
    const tsc = join(projectRoot, 'node_modules/.bin/tsc');
    const { code, out } = await runCommand(
      [tsc, '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', 'ask.ts'],
      { cwd: folder },
    );
    assert.equal(code, 0, out);
  });

  it('asks a real mesh from an empty project', async () => {
    const printed = await mustRun([process.execPath, 'ask.js', mesh.dispatcher, mesh.registry], {
      cwd: folder,
    });
    const { text, stopped, arms, aliases, reason } = JSON.parse(printed) as Record<string, unknown>;
    assert.match(String(text), /answer 232$/);
    assert.equal(stopped, true);
    assert.match(String(arms), /^octo-nano\/math@[0-9a-f]{64}$/);
    assert.deepEqual([...(aliases as string[])].sort(), [
      'classifier@stable',
      'code@stable',
      'math@stable',
      'reasoning@stable',
    ]);
    assert.deepEqual(reason, ['CONTEXT_EXCEEDED', '512']);
  });

  it('has the project’s version, and takes the dependencies that the project is tested with', () => {
    const [ours, projects] = [manifestOf(PACKAGE), manifestOf(projectRoot)];
    assert.equal(ours.version, projects.version);
    for (const [name, range] of Object.entries(ours.dependencies))
      assert.equal(range, `^${projects.dependencies[name]}`, name);
  });
});
