import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZmeshError } from '#shared/errors.js';
import { spansFromOtlp } from '#shared/telemetry/otlp-json.js';

// The example of the OTLP specification (opentelemetry-proto, examples/trace.json), with a status, flags and an event added.
const example = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'my.service' } }] },
      scopeSpans: [
        {
          scope: { name: 'my.library', version: '1.0.0', attributes: [] },
          spans: [
            {
              traceId: '5B8EFFF798038103D269B633813FC60C',
              spanId: 'EEE19B7EC3C1B174',
              parentSpanId: 'EEE19B7EC3C1B173',
              name: "I'm a server span",
              startTimeUnixNano: '1544712660000000000',
              endTimeUnixNano: '1544712661000250000',
              kind: 2,
              flags: 0x301,
              status: { code: 2, message: 'no' },
              events: [{ name: 'first', timeUnixNano: '1544712660500000000' }],
              attributes: [
                { key: 'my.span.attr', value: { stringValue: 'some value' } },
                { key: 'count', value: { intValue: '12' } },
                { key: 'big', value: { intValue: '9007199254740993' } },
                { key: 'share', value: { doubleValue: 0.25 } },
                { key: 'yes', value: { boolValue: true } },
                {
                  key: 'names',
                  value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } },
                },
              ],
            },
          ],
        },
      ],
    },
  ],
};

test("the specification's example is read field by field", () => {
  assert.deepEqual(spansFromOtlp(example), [
    {
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: 'eee19b7ec3c1b174',
      parentSpanId: 'eee19b7ec3c1b173',
      remoteParent: true,
      sampled: true,
      service: 'my.service',
      name: "I'm a server span",
      kind: 'server',
      startMs: 1544712660000,
      durationMs: 1000.25,
      failed: true,
      message: 'no',
      attributes: {
        'my.span.attr': 'some value',
        count: 12,
        big: '9007199254740993',
        share: 0.25,
        yes: true,
        names: ['a', 'b'],
      },
      events: [{ name: 'first', atMs: 1544712660500, attributes: {} }],
    },
  ]);
});

test('a span without parent, flags, status and resource is a local, unsampled root of an unknown service', () => {
  const [span] = spansFromOtlp({
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: [
              {
                traceId: 'a'.repeat(32),
                spanId: 'b'.repeat(16),
                parentSpanId: '',
                name: 'x',
                startTimeUnixNano: '2',
                endTimeUnixNano: '1',
              },
            ],
          },
        ],
      },
    ],
  });
  assert.equal(span?.service, 'unknown');
  assert.equal(span?.parentSpanId, undefined);
  assert.deepEqual(
    [span?.sampled, span?.remoteParent, span?.failed, span?.durationMs],
    [false, false, false, 0],
  );
});

test('what is no OTLP is refused by the name of its field', () => {
  const broken = (change: object): unknown => ({
    resourceSpans: [
      { scopeSpans: [{ spans: [{ ...example.resourceSpans[0]!.scopeSpans[0]!.spans[0]!, ...change }] }] },
    ],
  });
  const cases: [unknown, string][] = [
    [[], 'body'],
    [{ resourceSpans: 3 }, 'resourceSpans'],
    [broken({ traceId: 'xyz' }), 'traceId'],
    [broken({ spanId: 7 }), 'spanId'],
    [broken({ name: 3 }), 'name'],
    [broken({ startTimeUnixNano: 'soon' }), 'startTimeUnixNano'],
    [broken({ attributes: [{ key: 1, value: { stringValue: '' } }] }), 'key'],
  ];
  for (const [body, field] of cases) {
    const isRefusal = (error: unknown): boolean =>
      error instanceof ZmeshError && error.reason === 'INVALID_FIELD' && error.details.field === field;
    assert.throws(() => spansFromOtlp(body), isRefusal, field);
  }
});
