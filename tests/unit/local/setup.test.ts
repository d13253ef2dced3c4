import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '#shared/paths.js';

interface Step {
  due(root: string): string | undefined;
}
const part = async <T>(name: string): Promise<T> =>
  (await import(pathToFileURL(join(projectRoot, 'deploy/local/setup', name)).href)) as T;
const { nodeFault } = await part<{ nodeFault(version: string): string | undefined }>('node-version.mjs');
const { dependencies, missingPackages } = await part<{
  dependencies: Step;
  missingPackages(locked: object, installed: object): string[];
}>('dependencies.mjs');
const { generated } = await part<{ generated: Step }>('generated.mjs');
const { build } = await part<{ build: Step }>('build.mjs');
const { withLock } = await part<{
  withLock<T>(file: string, say: (line: string) => void, work: () => Promise<T>): Promise<T>;
}>('lock.mjs');

function temporaryFolder(t: { after(work: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-setup-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function write(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

describe('set-up', () => {
  it('refuses a Node older than 20.19 with one line', () => {
    assert.equal(
      nodeFault('20.18.1'),
      'zmesh needs Node 20.19 or newer, this is 20.18.1 (https://nodejs.org)',
    );
    assert.equal(nodeFault('18.20.0')?.includes('\n'), false);
    for (const version of ['20.19.0', '20.20.2', '22.0.0', '24.11.0'])
      assert.equal(nodeFault(version), undefined);
  });

  it('sees packages that are missing or of another version, and lets absent optional ones be', () => {
    const locked = {
      '': { version: '0.1.0' },
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0' },
      'node_modules/@c/other-platform': { version: '1.0.0', optional: true },
    };
    assert.deepEqual(
      missingPackages(locked, {
        'node_modules/a': { version: '1.0.0' },
        'node_modules/b': { version: '2.0.0' },
      }),
      [],
    );
    assert.deepEqual(missingPackages(locked, { 'node_modules/a': { version: '0.9.0' } }), ['a', 'b']);
  });

  it('installs where nothing is installed', (t) => {
    assert.equal(dependencies.due(temporaryFolder(t)), 'not installed');
  });

  it('generates again after the contract changed', (t) => {
    const root = temporaryFolder(t);
    write(root, {
      'proto/x.proto': 'syntax = "proto3";',
      'buf.yaml': 'version: v2',
      'buf.gen.yaml': 'version: v2',
      'package-lock.json': '{}',
    });
    assert.equal(generated.due(root), 'not there');
    write(root, { 'proto/gen/image.binpb': '', 'proto/gen/.stamp': 'of another contract' });
    assert.equal(generated.due(root), 'the contract changed');
  });

  it('builds what is new, changed or lost', (t) => {
    const root = temporaryFolder(t);
    write(root, { 'shared/x.ts': 'export {};', 'tsconfig.json': '{}', 'package.json': '{}' });
    assert.equal(build.due(root), 'not built');
    write(root, { 'dist/.stamp': '' });
    assert.equal(build.due(root), 'shared/x.ts is new');
    write(root, { 'dist/shared/x.js': '' });
    assert.equal(build.due(root), 'sources changed');
  });
});

describe('the lock of set-up', () => {
  it('lets one work at a time', async (t) => {
    const file = join(temporaryFolder(t), 'lock');
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((go) => setTimeout(go, 5));
      inside--;
    };
    const other = `
      import { withLock } from ${JSON.stringify(pathToFileURL(join(projectRoot, 'deploy/local/setup/lock.mjs')).href)};
      await withLock(${JSON.stringify(file)}, () => {}, async () => {
        process.stdout.write('held');
        await new Promise((go) => setTimeout(go, 300));
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', other]);
    await once(child.stdout, 'data');
    const said: string[] = [];
    const start = performance.now();
    await withLock(file, (line) => said.push(line), work);
    assert.ok(performance.now() - start > 100);
    assert.deepEqual(said, [`set-up: waiting for the one that process ${child.pid} runs`]);
    assert.equal(most, 1);
    assert.equal(existsSync(file), false);
  });

  it('breaks the lock of a process that is gone', async (t) => {
    const file = join(temporaryFolder(t), 'lock');
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    writeFileSync(file, String(child.pid));
    const held = await withLock(file, assert.fail, async () => readFileSync(file, 'utf8'));
    assert.equal(held, String(process.pid));
  });

  it('is given back when the work fails', async (t) => {
    const file = join(temporaryFolder(t), 'lock');
    await assert.rejects(
      withLock(
        file,
        () => {},
        () => Promise.reject(new Error('no disk')),
      ),
      /no disk/,
    );
    assert.equal(existsSync(file), false);
  });
});
