import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Report } from '../../chaos/report.js';
import { createMemorySeries, lookAt } from '../../chaos/soak-memory.js';
import { threadsOf } from '../../chaos/soak-notes.js';
import { openHandleKinds, openHandles } from '../../support/open-handles.js';

const HOURS = 20 / 60;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'zmesh-soak-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** What is told of a process of so many bytes, and handles, at each of `count` looks in 20 minutes. */
function judged(
  count: number,
  bytesAt: (index: number) => number,
  handlesAt: (index: number) => number = () => 9,
) {
  const [said, faults]: [string[], string[]] = [[], []];
  const report = {
    say: (line: string) => said.push(line),
    fault: (line: string) => faults.push(line),
    check: (holds: boolean, line: string) => void (holds || faults.push(line)),
  };
  let index = 0;
  const series = createMemorySeries(() => ({
    bytes: new Map([
      ['all', bytesAt(index)],
      ['native', bytesAt(index) / 2],
    ]),
    handles: new Map([['socket', handlesAt(index)]]),
  }));
  for (; index < count; index += 1) series.sample(new Map([['self', 1]]), (HOURS * (index + 1)) / count);
  series.judge(HOURS, report as unknown as Report);
  return { said, faults };
}

test('a process that grows after it is warm is a fault; the line says by how much, and of which part', () => {
  // 240 looks in 20 minutes: 0.1 MB each are 72 MB an hour.
  const { said, faults } = judged(240, (i) => 100e6 + i * 1e5);
  assert.deepEqual(faults, ['self grows by 72.0 MB an hour, at most 20']);
  assert.deepEqual(said.slice(0, 2), [
    'self: 111.9 → 123.9 MB, slope 72.0 (72.0 to 72.0) MB an hour',
    '  outside of them: 56.0 → 62.0 MB, slope 36.0 (36.0 to 36.0) MB an hour',
  ]);
});

test('one that grows while it becomes warm, or comes back to its floor, is none', () => {
  const { faults } = judged(240, (i) => Math.min(i, 110) * 1e6 + (i % 6) * 1e7);
  assert.deepEqual(faults, []);
});

test('one that gains handles is a fault, and they are told by kind', () => {
  const { said, faults } = judged(
    240,
    () => 1e8,
    (i) => 9 + Math.floor(i / 10),
  );
  assert.deepEqual(faults, ['self gained 12 handles']);
  assert.equal(said.at(-1), '  handles: 20 (20 socket) → 32 (32 socket)');
});

test('fewer samples than a slope needs are a fault, not a verdict', () => {
  assert.match(
    judged(12, () => 1).faults.join(),
    /^self: too short to tell whether it grows: 7 of 12 samples/,
  );
});

test("a process' newest note of each thread counts; a line in the making does not", (t) => {
  const path = folder(t);
  const note = (thread: number, heapUsed: number): string =>
    JSON.stringify({ atMs: 1, thread, heapTotal: 9, heapUsed, external: 0, arrayBuffers: 0 });
  appendFileSync(
    join(path, '7.jsonl'),
    `${note(1, 1)}\n${note(0, 2)}\n${note(1, 3)}\n${note(0, 4).slice(0, 9)}`,
  );
  assert.deepEqual(
    threadsOf(path, 7).map(({ thread, heapUsed }) => [thread, heapUsed]),
    [
      [0, 2],
      [1, 3],
    ],
  );
  assert.deepEqual(threadsOf(path, 8), []);
});

test('of a real process memory and handles are told', (t) => {
  const { bytes, handles } = lookAt(folder(t))(process.pid);
  assert.ok(bytes.get('all')! > 10e6);
  assert.ok(handles.size > 0);
});

test('handles by kind add up to all handles', () => {
  const kinds = [...openHandleKinds(process.pid).values()].reduce((a, b) => a + b, 0);
  // Reading the folder opens it.
  assert.ok(Math.abs(kinds - openHandles(process.pid)) <= 1);
});
