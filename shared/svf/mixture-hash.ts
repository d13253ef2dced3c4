import { sha256Hex } from '../ids.js';
import type { Arm } from './compose.js';

/**
 * SHA-256 of what a mixture computes: the basis, and its arms by exact version with their α, in the order of their names.
 * Arms whose α are all zero do not count; neither does the order of the request. The empty mixture has a hash of its own:
 * the base's. Two mixtures with one hash compose to the same spectrum, so caches are keyed by it.
 */
export function mixtureHash(basisId: string, arms: readonly Omit<Arm, 'expert'>[]): string {
  const counted = arms
    .filter((arm) => arm.alpha > 0 || [...arm.alphaPerMatrix.values()].some((alpha) => alpha > 0))
    .map(
      (arm) => [arm.name, arm.alpha, [...arm.alphaPerMatrix].sort(([a], [b]) => (a < b ? -1 : 1))] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256Hex(JSON.stringify(['zmesh-mixture-1', basisId, counted]));
}
