import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FetchEvent } from '#services/inference/fetch/fetch-event.js';
import { createFetchProgress, formatBytes } from '#services/inference/fetch/fetch-progress.js';
import { createPace } from '#services/inference/fetch/pace.js';

test('sizes read as download pages write them', () => {
  assert.deepEqual([0, 999, 1000, 98_362_432, 999_940_000, 999_960_000, 3_210_000_000].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '98.4 MB',
    '999.9 MB',
    '1.00 GB',
    '3.21 GB',
  ]);
});

test('pace and time left come from this run’s bytes alone, a few times a second', () => {
  let clock = 0;
  const events: FetchEvent[] = [];
  const pace = createPace({
    startBytes: 400,
    totalBytes: 1000,
    onEvent: (event) => events.push(event),
    now: () => clock,
  });
  clock = 100;
  pace('a', 450);
  clock = 1000;
  pace('a', 500);
  clock = 1100;
  pace('a', 550);
  clock = 4000;
  pace('b', 600);
  assert.deepEqual(events, [
    { type: 'download', file: 'a', doneBytes: 500, totalBytes: 1000, bytesPerSecond: 100, secondsLeft: 5 },
    { type: 'download', file: 'b', doneBytes: 600, totalBytes: 1000, bytesPerSecond: 50, secondsLeft: 8 },
  ]);
});

const download = (doneBytes: number): FetchEvent => ({
  type: 'download',
  file: 'model.safetensors',
  doneBytes,
  totalBytes: 2e9,
  bytesPerSecond: 25e6,
  secondsLeft: 65,
});

test('on a terminal one line moves, elsewhere a line is written every ten seconds', () => {
  const draw = (isTerminal: boolean): string => {
    let text = '';
    let clock = 0;
    const tell = createFetchProgress({ isTerminal, write: (part) => (text += part) }, () => clock);
    tell({
      type: 'fetch',
      from: 'a/b@c0ffee',
      folder: '/cache',
      files: 6,
      totalBytes: 2e9,
      reusedBytes: 5e8,
    });
    for (const doneBytes of [5e8, 1e9, 1.5e9]) {
      clock += 6000;
      tell(download(doneBytes));
    }
    tell({ type: 'fetched', path: '/cache', bytes: 2e9, downloaded: true, seconds: 61 });
    return text;
  };
  const first = 'fetching a/b@c0ffee: 6 files, 2.00 GB, 500.0 MB are there already, to /cache\n';
  const last = 'fetched and checked 2.00 GB in 1 min 01 s: /cache\n';
  const line = (share: number, done: string): string =>
    `[${'█'.repeat(24 * share)}${'░'.repeat(24 - 24 * share)}] ${share * 100} % ${done} of 2.00 GB, 25.0 MB/s, 1 min 05 s left, model.safetensors`;
  assert.equal(draw(false), `${first}${line(0.5, '1.00 GB')}\n${last}`);
  const again = '\r\x1b[2K';
  assert.equal(
    draw(true),
    `${first}${line(0.25, '500.0 MB')}${again}${line(0.5, '1.00 GB')}${again}${line(0.75, '1.50 GB')}${again}${last}`,
  );
});
