import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Registry } from '#services/expert-registry/registry.js';
import type { Code, Reason, ZmeshError } from '#shared/errors.js';

/** A call that must be refused, and how. */
export interface Refusal {
  readonly title: string;
  readonly call: () => Promise<unknown>;
  readonly reason: Reason;
  readonly code: Code;
  readonly message: string | RegExp;
  readonly field?: string;
}

export const invalid = { reason: 'INVALID_FIELD', code: 'INVALID_ARGUMENT' } as const;
export const missing = { reason: 'MISSING_FIELD', code: 'INVALID_ARGUMENT' } as const;
export const tooLarge = { reason: 'TOO_LARGE', code: 'RESOURCE_EXHAUSTED' } as const;

/** One test for each refusal: reason, code, text and field are right, and the registry wrote nothing. */
export function testRefusals(registry: Registry, what: string, refusals: readonly Refusal[]): void {
  describe(`the registry refuses ${what}:`, () => {
    for (const { title, call, reason, code, message, field } of refusals) {
      test(`${title}: ${reason}`, async () => {
        const before = registry.view.revision;
        await assert.rejects(call(), (error: ZmeshError) => {
          assert.deepEqual([error.reason, error.code], [reason, code], error.message);
          if (typeof message === 'string') assert.equal(error.message, message);
          else assert.match(error.message, message);
          if (field !== undefined) assert.equal(error.details.field, field);
          return true;
        });
        assert.equal(registry.view.revision, before, 'a refusal writes nothing');
      });
    }
  });
}
