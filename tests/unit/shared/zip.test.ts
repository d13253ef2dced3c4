import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readZipFile } from '#shared/zip.js';
import { zipOf } from '../nats-server/zip-writer.js';

const data = Buffer.from('multipliers of singular values\n'.repeat(1000));

test('reads deflated and stored files by name', () => {
  const archive = zipOf([
    { name: 'a/deflated', data },
    { name: 'a/stored', data: Buffer.from('plain'), stored: true },
  ]);
  assert.deepEqual(
    readZipFile(archive, (name) => name === 'a/deflated'),
    data,
  );
  assert.equal(readZipFile(archive, (name) => name.endsWith('stored'))?.toString(), 'plain');
  assert.equal(
    readZipFile(archive, (name) => name === 'missing'),
    undefined,
  );
});

test("reads an archive written by Python's zipfile", (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-zip-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'x.zip');
  const script = `import zipfile,sys\nz=zipfile.ZipFile(sys.argv[1],'w',zipfile.ZIP_DEFLATED)\nz.writestr('d/x','y'*5000)\nz.comment=b'a comment'\nz.close()`;
  try {
    execFileSync('python3', ['-c', script, path], { stdio: 'pipe' });
  } catch {
    t.skip('no python3');
    return;
  }
  assert.equal(readZipFile(readFileSync(path), (name) => name === 'd/x')?.toString(), 'y'.repeat(5000));
});

test('a flipped byte is found by the CRC', () => {
  const archive = zipOf([{ name: 'x', data: Buffer.from('stored bytes'), stored: true }]);
  archive[34] = archive[34]! ^ 1;
  assert.throws(() => readZipFile(archive, () => true), /x is damaged/);
});

test('what is no zip archive is refused', () => {
  assert.throws(() => readZipFile(Buffer.alloc(100), () => true), /not a zip archive/);
});
