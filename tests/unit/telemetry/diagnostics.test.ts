import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { diag } from '@opentelemetry/api';
import pino from 'pino';
import { logDiagnostics } from '#shared/telemetry/diagnostics.js';

test("OpenTelemetry's own faults reach the log, the same text once a minute", () => {
  const lines: string[] = [];
  const into = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)).msg);
      done();
    },
  });
  let nowMs = 0;
  logDiagnostics(pino({}, into), () => nowMs);
  for (let n = 0; n < 5; n++) diag.error('export failed', new Error('ECONNREFUSED'));
  diag.warn('something else');
  diag.info('not said');
  assert.deepEqual(lines, ['telemetry: export failed Error: ECONNREFUSED', 'telemetry: something else']);
  nowMs = 60_000;
  diag.error('export failed', new Error('ECONNREFUSED'));
  assert.equal(lines.length, 3);
  for (let n = 0; n < 1000; n++) diag.warn(`number ${n}`);
  assert.equal(lines.length, 1003, 'other texts are never held back');
  diag.disable();
});
