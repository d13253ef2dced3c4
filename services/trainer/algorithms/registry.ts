import { ZmeshError } from '#shared/errors.js';
import type { Algorithm } from './algorithm.js';
import { nextToken } from './next-token.js';
import { reinforce } from './reinforce.js';
import { sepCmaEs } from './sep-cma-es.js';

/** Every algorithm by its name. A new one = a file and a line here. */
export const ALGORITHMS: Readonly<Record<string, Algorithm>> = Object.freeze({
  reinforce,
  'next-token': nextToken,
  'sep-cma-es': sepCmaEs,
});

/** The algorithm of a name. Throws INVALID_FIELD. */
export function algorithmNamed(name: string): Algorithm {
  const found = Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name] : undefined;
  if (found) return found;
  const known = Object.keys(ALGORITHMS).join(', ');
  throw new ZmeshError('INVALID_FIELD', `algorithm: "${name}" is not one of ${known}`, {
    field: 'algorithm',
    value: name,
  });
}
