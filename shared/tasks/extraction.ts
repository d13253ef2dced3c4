/** How something is found in an answer: as the published code of Transformer² does, faults included, or without them. */
export const EXTRACTIONS = ['corrected', 'official'] as const;

/** One of these ways. */
export type Extraction = (typeof EXTRACTIONS)[number];
