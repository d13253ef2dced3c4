import type { Collection } from '#services/expert-registry/collect-garbage.js';

/** A collection for which everything that nobody needs is old enough. */
export const ALL_OF_IT = (): Omit<Collection, 'log'> => {
  const soon = new Date(Date.now() + 60_000);
  return {
    retiredBefore: soon,
    orphansBefore: soon,
    uploadsBefore: soon,
    dryRun: false,
    signal: new AbortController().signal,
  };
};
