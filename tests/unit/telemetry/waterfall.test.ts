import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { drawBar, drawScale } from '#services/cli/trace/bar.js';
import { painter } from '#services/cli/trace/paint.js';
import { drawList, drawStatistics } from '#services/cli/trace/tables.js';
import { traceRows } from '#services/cli/trace/tree.js';
import { drawWaterfall } from '#services/cli/trace/waterfall.js';
import { projectRoot } from '#shared/paths.js';
import type { StoredSpan } from '#shared/telemetry/stored-trace.js';
import { sampleSpans, span, stored } from './sample-trace.js';

const plain = painter(false);
const golden = (name: string): string =>
  readFileSync(join(projectRoot, 'tests/unit/telemetry/pictures', `${name}.txt`), 'utf8');
const draw = (
  spans: readonly StoredSpan[],
  columns: number,
  keep: 'sampled' | 'failed' = 'sampled',
): string => `${drawWaterfall(stored(spans, keep), columns, plain).join('\n')}\n`;

describe('the waterfall', () => {
  // The goldens were looked at by eye when they were made; a change of the picture changes them on purpose.
  for (const columns of [140, 100, 80, 50]) {
    test(`of a question with both passes, ${columns} columns`, () => {
      assert.equal(draw(sampleSpans(), columns), golden(`question-${columns}`));
    });
  }

  test('of a failure says where it began and why, once', () => {
    const failed = new Map([
      ['c', { message: 'the object store does not answer', 'error.type': 'UNAVAILABLE' }],
      ['d', { message: 'the object store does not answer', 'error.type': 'REGISTRY_UNAVAILABLE' }],
    ]);
    const spans = sampleSpans().map((one) => {
      const fault = failed.get(one.spanId.replace(/^0+/, ''));
      if (!fault) return one;
      return {
        ...one,
        failed: true,
        message: fault.message,
        attributes: { 'error.type': fault['error.type'] },
      };
    });
    assert.equal(draw(spans, 110, 'failed'), golden('failure-110'));
  });

  test('no line is wider than the terminal, from 40 to 200 columns', () => {
    const long = sampleSpans().map((one) => ({
      ...one,
      service: `${one.service}-of-a-long-name`,
      message: 'm'.repeat(300),
      failed: true,
    }));
    for (let columns = 40; columns <= 200; columns++) {
      for (const line of draw(long, columns).split('\n'))
        assert([...line].length <= columns, `${columns}: ${line}`);
    }
  });

  test('colours change nothing but colours, and without them there is not one escape', () => {
    const coloured = drawWaterfall(stored(sampleSpans()), 120, painter(true)).join('\n');
    assert.equal(`${stripVTControlCharacters(coloured)}\n`, draw(sampleSpans(), 120));
    assert(!draw(sampleSpans(), 120).includes('\x1b'));
    assert(coloured.includes('\x1b[36m'));
  });

  test('what a process wrote into a span cannot steer the terminal', () => {
    const evil = 'a\x1b[2Jb\r\nc\x9b1m';
    const spans = [
      span({
        spanId: '1',
        name: evil,
        service: evil,
        failed: true,
        message: evil,
        attributes: { 'error.type': evil },
      }),
      span({
        spanId: '2',
        parentSpanId: '1',
        name: 'first pass',
        attributes: { 'zmesh.strategy': evil, 'zmesh.label': evil },
      }),
    ];
    assert.doesNotMatch(draw(spans, 120).replaceAll('\n', ''), /\p{Cc}/u);
  });

  test('an incomplete trace says so', () => {
    const open = sampleSpans().filter((one) => !/^0*[12]$/.test(one.spanId));
    assert.match(draw(open, 100), /^incomplete: some spans are still open or were not sent$/m);
    assert.doesNotMatch(draw(sampleSpans(), 100), /incomplete/);
  });

  test('a single span without any duration is drawn', () => {
    assert.match(draw([span({ spanId: '1', name: 'x', durationMs: 0 })], 80), /x +.*▏.*0\.00$/m);
  });
});

describe('the tree', () => {
  test('holds every span once: orphans as further roots, rings too', () => {
    const spans = [
      span({ spanId: '1', name: 'root' }),
      span({ spanId: '2', parentSpanId: '9', name: 'orphan', startMs: 5 }),
      span({ spanId: '3', parentSpanId: '4', name: 'ring a' }),
      span({ spanId: '4', parentSpanId: '3', name: 'ring b' }),
      span({ spanId: '5', parentSpanId: '1', name: 'child' }),
    ];
    assert.deepEqual(
      traceRows(spans).map((row) => row.guide + row.span.name),
      ['root', '└ child', 'orphan', 'ring a', '└ ring b'],
    );
  });
});

describe('bars', () => {
  test('lie where their times are, to an eighth of a cell', () => {
    assert.equal(drawBar({ startMs: 0, durationMs: 100, fill: 'solid' }, 100, 10), '██████████');
    assert.equal(drawBar({ startMs: 50, durationMs: 50, fill: 'solid' }, 100, 10), '     █████');
    assert.equal(drawBar({ startMs: 0, durationMs: 25, fill: 'solid' }, 100, 10), '██▌       ');
    assert.equal(drawBar({ startMs: 40, durationMs: 20, fill: '░' }, 100, 10), '    ░░    ');
  });

  test('are visible however short, and stay on the axis wherever they end', () => {
    assert.equal(drawBar({ startMs: 30, durationMs: 0, fill: 'solid' }, 100, 10), '   ▏      ');
    assert.equal(drawBar({ startMs: 100, durationMs: 0, fill: '▒' }, 100, 10), '         ▒');
    for (let startMs = -20; startMs <= 130; startMs += 1.7) {
      for (let durationMs = 0; durationMs <= 130; durationMs += 3.1) {
        for (const fill of ['solid', '▒'] as const) {
          const bar = drawBar({ startMs, durationMs, fill }, 100, 13);
          assert.equal([...bar].length, 13);
          assert.match(bar, /[^ ]/);
        }
      }
    }
  });

  test('the scale shows as many times as there is room for', () => {
    const format = (ms: number): string => String(ms);
    assert.equal(drawScale(100, 12, format), '0     100 ms');
    assert.equal(drawScale(71.6, 18, format), '0          71.6 ms');
    assert.equal(
      drawScale(71.6, 22, (ms) => ms.toFixed(4)),
      '0           71.6000 ms',
      'no two times touch',
    );
    assert.equal(drawScale(100, 24, format), '0           50    100 ms');
    assert.equal(drawScale(100, 44, format), '0          25         50         75   100 ms');
  });
});

describe('the tables', () => {
  test('statistics have a line for each pass and strategy', () => {
    const line = {
      phase: 'first pass',
      group: 'auto',
      count: 120,
      failed: 1,
      p50: 12.04,
      p90: 20.96,
      p99: 104.2,
      max: 1203.4,
    };
    assert.deepEqual(
      drawStatistics([line, { ...line, phase: 'zmesh.v1.InferenceService/Score', group: '', p50: 1 }], plain),
      [
        'span                    by    count  failed  p50 ms  p90 ms  p99 ms  max ms',
        'first pass              auto    120       1    12.0    21.0     104    1203',
        'InferenceService/Score          120       1    1.00    21.0     104    1203',
      ],
    );
    assert.deepEqual(drawStatistics([], plain), ['no spans have arrived yet']);
  });

  test('the list has a line for each trace', () => {
    assert.deepEqual(drawList([stored(sampleSpans(), 'slow').summary], plain), [
      'trace                             started       service  name                        spans   ms  kept',
      '4bf92f3577b34da6a3ce929d0e0e4736  12:00:00.000  zmesh    DispatcherService/Generate     16  100  slow',
    ]);
  });

  test('of very many children holds the longest and the failed, and counts the others with all below them', () => {
    const children = Array.from({ length: 300 }, (_, i) =>
      span({ spanId: `1${i}`, parentSpanId: '1', name: `child ${i}`, startMs: i, durationMs: i }),
    );
    const spans = [
      span({ spanId: '1', name: 'root' }),
      ...children.map((child, i) => (i === 5 ? { ...child, failed: true } : child)),
      span({ spanId: '9', parentSpanId: children[7]!.spanId, name: 'below a short one' }),
    ];
    const rows = traceRows(spans);
    const names = rows.map((row) => row.span.name);
    const longest = Array.from({ length: 39 }, (_, i) => `child ${261 + i}`);
    assert.deepEqual(names, ['root', 'child 5', ...longest]);
    assert.deepEqual(rows[0]!.folded, { spans: 260, durationMs: (260 * 261) / 2 - 5 });
    assert.match(draw(spans, 100), /… 260 shorter ones/);
  });
});
