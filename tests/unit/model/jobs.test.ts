import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImportEvent } from '#services/inference/model/import-event.js';
import { createImportProgress } from '#services/inference/model/import-progress.js';
import { defaultJobs, secondsLeft } from '#services/inference/model/jobs.js';
import { formatSeconds } from '#services/inference/model/progress-line.js';

const LARGE = { name: 'w', rows: 4096, columns: 14336 };
const SMALL = { name: 'w', rows: 64, columns: 64 };

test('jobs: one a core, fewer where memory or matrices run out, never none', () => {
  const many = Array.from({ length: 96 }, () => LARGE);
  assert.equal(defaultJobs(many, 64e9, 16), 16);
  assert.equal(defaultJobs(many, 10e9, 16), 3);
  assert.equal(defaultJobs(many, 1e9, 16), 1);
  assert.equal(defaultJobs([SMALL, LARGE], 10e9, 16), 2);
  assert.equal(defaultJobs([], 10e9, 16), 1);
});

test('time left: unknown before the first matrix, then by work, with what runs already taken off', () => {
  assert.equal(secondsLeft({ doneWork: 0, doneSeconds: 0, openWork: 9, runningSeconds: 5, jobs: 2 }), null);
  assert.equal(secondsLeft({ doneWork: 2, doneSeconds: 20, openWork: 6, runningSeconds: 0, jobs: 2 }), 30);
  assert.equal(secondsLeft({ doneWork: 2, doneSeconds: 20, openWork: 6, runningSeconds: 20, jobs: 2 }), 20);
  assert.equal(secondsLeft({ doneWork: 2, doneSeconds: 20, openWork: 1, runningSeconds: 50, jobs: 1 }), 0);
});

test('durations read as people say them', () => {
  assert.deepEqual([0.4, 59.4, 59.6, 200, 3599.7, 3900].map(formatSeconds), [
    '0 s',
    '59 s',
    '1 min 00 s',
    '3 min 20 s',
    '1 h 00 min',
    '1 h 05 min',
  ]);
});

test('on a terminal one line moves: each drawing takes the place of the one before', () => {
  let text = '';
  const draw = createImportProgress({ isTerminal: true, write: (part) => (text += part) });
  const matrix = {
    type: 'matrix',
    name: 'w',
    rows: 4,
    columns: 4,
    error: 0,
    seconds: 1,
    gemm: 'ort',
    total: 2,
  } as const;
  const events: ImportEvent[] = [
    { type: 'hash', doneBytes: 1, totalBytes: 2 },
    { ...matrix, done: 1, share: 0.5, secondsLeft: 61 },
    { type: 'error', reason: 'TOO_LARGE', message: 'the disk is full' },
  ];
  for (const event of events) draw(event);
  const half = `[${'█'.repeat(12)}${'░'.repeat(12)}] 50 %`;
  assert.equal(
    text,
    `fingerprint ${half}\r\x1b[2Kdecomposing ${half} 1 of 2, 1 min 01 s left\r\x1b[2Kerror: the disk is full (TOO_LARGE)\n`,
  );
});
