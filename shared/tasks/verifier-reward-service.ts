import { ZmeshError } from '../errors.js';
import type { Verifier } from './verifier.js';

/** An answer that a customer's service rewards. */
export interface RewardServiceSpec {
  /** The service's `host:port`, or several separated by commas. Default: what the scorer was opened with. */
  readonly address?: string;
  /** What a right answer is like, handed on. Default nothing. */
  readonly reference?: string;
  /** What else the service is told, by name. Default nothing. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The customer's service says what an answer is worth: a reward in [−1, 1], right above 0. */
export const rewardService: Verifier<RewardServiceSpec> = {
  fields: ['address', 'reference', 'metadata'],
  fault({ address, reference, metadata = {} }) {
    if (
      address !== undefined &&
      !(typeof address === 'string' && /^[^\s,]+:\d+(?:,[^\s,]+:\d+)*$/.test(address))
    )
      return `verifier.address must be host:port, not ${JSON.stringify(address)}`;
    if (reference !== undefined && typeof reference !== 'string') return 'verifier.reference must be a text';
    if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
      return 'verifier.metadata must give texts by name';
    const isText = Object.values(metadata).every((value) => typeof value === 'string');
    return isText ? undefined : 'verifier.metadata must give texts by name';
  },
  verify(answer, { address = '', reference = '', metadata = {} }, { rewards, signal }, question) {
    const service = rewards?.(address);
    if (!service)
      throw new ZmeshError(
        'INVALID_FIELD',
        `no reward service is known for "${question.id}": name its address`,
        {
          field: 'verifier.address',
        },
      );
    const { id, system = '', prompt } = question;
    return service.score(
      { itemId: id, system, prompt, answer, reference, metadata: { ...metadata } },
      signal,
    );
  },
};
