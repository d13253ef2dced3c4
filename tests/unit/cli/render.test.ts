import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { FirstPassBlend, FirstPassMode, Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { createProgress, progressLine } from '#services/cli/render/progress.js';
import { renderReceipt } from '#services/cli/render/receipt.js';
import { renderFacts, renderTable } from '#services/cli/render/table.js';
import { formatBytes, formatCount, formatMs, shortName } from '#services/cli/render/units.js';

const HASH = 'ab'.repeat(32);

describe('tables', () => {
  it('aligns columns to their widest cell', () => {
    const table = renderTable(
      [{ title: 'name' }, { title: 'n', align: 'right' }],
      [
        ['a', '1'],
        ['länger', '100'],
      ],
    );
    assert.equal(table, 'name      n\na         1\nlänger  100\n');
  });

  it('takes away what would steer the terminal', () => {
    assert.equal(renderFacts([['x', 'a\x1b[31mb\rc']]), 'x  a [31mb c\n');
  });

  it('leaves out facts without a value', () => {
    assert.equal(
      renderFacts([
        ['x', ''],
        ['long', '1'],
      ]),
      'long  1\n',
    );
  });
});

describe('units', () => {
  it('writes sizes, counts and times for people', () => {
    assert.equal(formatBytes(999), '999 B');
    assert.equal(formatBytes(3_344_096), '3.3 MB');
    assert.equal(formatCount(9_999), '9999');
    assert.equal(formatCount(1_670_016), '1.67 M');
    assert.equal(formatMs(0.4219), '0.42 ms');
    assert.equal(formatMs(17.6), '18 ms');
    assert.equal(formatMs(3_140), '3.1 s');
    assert.equal(formatMs(245_400), '4 min 05 s');
    assert.equal(shortName(`octo-nano/math@${HASH}`), 'octo-nano/math@abababababab');
    assert.equal(shortName('octo-nano/math@stable'), 'octo-nano/math@stable');
  });
});

describe('progress', () => {
  const text = (stream: PassThrough): string => String(stream.read() ?? '');

  it('stays silent for work under half a second', () => {
    const err = new PassThrough();
    let now = 0;
    const progress = createProgress({ err, live: true, columns: 80 }, () => now);
    for (now = 0; now < 500; now += 50) progress.update(now, 500, 'x');
    progress.end();
    assert.equal(text(err), '');
  });

  it('draws over itself on a terminal, never wider than it, and clears at the end', () => {
    const err = new PassThrough();
    let now = 0;
    const progress = createProgress({ err, live: true, columns: 40 }, () => now);
    now = 600;
    progress.update(1, 4, 'a very long description of what is at hand');
    progress.end();
    const drawn = text(err);
    assert.ok(drawn.startsWith('\r\x1b[2K['));
    assert.ok(drawn.endsWith('\r\x1b[2K'));
    const [, line = ''] = drawn.split('\r\x1b[2K');
    assert.equal([...line].length, 39);
  });

  it('writes a line every five seconds elsewhere', () => {
    const err = new PassThrough();
    let now = 0;
    const progress = createProgress({ err, live: false, columns: 80 }, () => now);
    for (now = 0; now <= 12_000; now += 100) progress.update(now, 12_000, 'x');
    assert.deepEqual(text(err).match(/\n/g)?.length, 3);
  });

  it('says how much time is left if the rest goes like the part that is done', () => {
    assert.equal(
      progressLine({ done: 1, total: 4, what: 'w', elapsedMs: 2_000 }),
      '[██████··················]  25 %, 6.0 s left  w',
    );
    assert.match(progressLine({ done: 0, total: 0, what: 'w', elapsedMs: 1 }), / {2}0 % {2}w$/);
  });
});

describe('the receipt', () => {
  it('shows the choice, the mixture and both passes', () => {
    const receipt = Receipt.create({
      requestId: 'r1',
      traceId: 'cd'.repeat(16),
      model: 'octo-nano',
      modelFingerprint: HASH,
      strategy: 'auto',
      strategyUsed: 'classifier',
      strategyReason: 'a classification expert is published',
      classification: {
        label: 'math',
        confidence: 0.98765,
        abstainThreshold: 0.5,
        mode: FirstPassMode.SCORE,
        blend: FirstPassBlend.TOP,
        classifier: `octo-nano/classifier@${HASH}`,
      },
      arms: [{ expert: `octo-nano/math@${HASH}`, requested: 'math@stable', alpha: 1 }],
      normalisation: Normalisation.TRACE,
      firstPass: { totalMs: 5, queueMs: 1, prefillMs: 2, steps: 1 },
      secondPass: { totalMs: 250, queueMs: 1, prefillMs: 2, decodeMs: 200, steps: 31 },
      usage: { promptTokens: 20, completionTokens: 30 },
      seed: 7n,
      totalMs: 260,
    });
    assert.equal(
      renderReceipt(receipt),
      [
        'request   r1',
        'trace     cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd',
        'model     octo-nano (fingerprint abababababab)',
        'strategy  auto → classifier: a classification expert is published',
        'label     math (0.9877) by octo-nano/classifier@abababababab',
        'mixture   1 × octo-nano/math@abababababab as math@stable, trace normalised',
        'pass 1    5.00 ms (queue 1.00 ms, prefill 2.00 ms, 1 steps)',
        'pass 2    250 ms (queue 1.00 ms, prefill 2.00 ms, decode 200 ms, 31 steps)',
        'tokens    pass 2: 20 in, 30 out',
        'seed      7',
        'total     260 ms',
        '',
      ].join('\n'),
    );
  });

  it('says that the base answers, and why, where pass 1 abstained', () => {
    const text = renderReceipt(
      Receipt.create({
        strategy: 'prompt',
        strategyUsed: 'prompt',
        classification: { label: 'code', confidence: 0.31, abstained: true, abstainThreshold: 0.5 },
      }),
    );
    assert.match(text, /^label +code \(0\.3100, below 0\.5: the base answers\)$/m);
    assert.match(text, /^mixture +base \(no expert\)$/m);
  });
});
