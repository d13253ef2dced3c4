import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { crc32c } from '#shared/tensorboard/crc32c.js';
import { eventFile, eventFileName } from '#shared/tensorboard/event-file.js';

const GOLDEN = join(projectRoot, 'tests/golden/tensorboard/events.out.tfevents.1700000000.zmesh');

test('CRC-32C gives the values of RFC 3720, B.4', () => {
  const of = (length: number, byte: (i: number) => number): number =>
    crc32c(Uint8Array.from({ length }, (_, i) => byte(i)));
  assert.equal(
    of(32, () => 0),
    0x8a9136aa,
  );
  assert.equal(
    of(32, () => 0xff),
    0x62a8ab43,
  );
  assert.equal(
    of(32, (i) => i),
    0x46dd794e,
  );
  assert.equal(
    of(32, (i) => 31 - i),
    0x113fdb5c,
  );
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('an event file has the bytes of TensorBoard’s own writer', () => {
  const written = eventFile(1_700_000_000_000, [
    { step: 0, timeMs: 1_700_000_000_250, values: { 'validation/score': 0.25 } },
    {
      step: 1,
      timeMs: 1_700_000_001_500,
      values: {
        'training/reward': -0.5,
        'training/gradient-norm': 2.25,
        'training/kl': 0,
        'training/loss': undefined,
      },
    },
    {
      step: 300,
      timeMs: 1_700_000_300_000,
      values: { 'training/reward': 0.123456789, 'validation/score': 1 },
    },
  ]);
  assert.deepEqual(Buffer.from(written), readFileSync(GOLDEN));
});

test('file names are TensorBoard’s, without characters that paths mind', () => {
  assert.equal(eventFileName(1_700_000_000_999, 'zmesh'), 'events.out.tfevents.1700000000.zmesh');
  assert.equal(eventFileName(0, '../a b'), 'events.out.tfevents.0.---a-b');
});
