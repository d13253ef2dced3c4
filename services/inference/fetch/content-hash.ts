import { createHash, type Hash } from 'node:crypto';

/** What a file's content is known by: SHA-256 (large files on the hub), or git's SHA-1 of a blob (its small ones). */
export interface ContentHash {
  readonly algorithm: 'sha256' | 'git-sha1';
  readonly hex: string;
}

/** Begins the hash of a file of `size` bytes; a git blob's hash starts with its size. */
export function beginHash(algorithm: ContentHash['algorithm'], size: number): Hash {
  if (algorithm === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${size}\0`);
}
