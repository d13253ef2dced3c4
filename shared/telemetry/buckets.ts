// Upper bounds of histogram buckets. Seconds, unless a name says otherwise.

/** The semantic conventions' own of `gen_ai.server.request.duration`. */
export const REQUEST_DURATION_BUCKETS: readonly number[] = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/** Of `gen_ai.server.time_to_first_token`. */
export const TIME_TO_FIRST_TOKEN_BUCKETS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** Of `gen_ai.server.time_per_output_token`. */
export const TIME_PER_OUTPUT_TOKEN_BUCKETS: readonly number[] = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
];
/** Of `rpc.server.call.duration`. */
export const CALL_DURATION_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** Doubling from 1 ms to 65 s: what the conventions have no list for (passes, waits, engine steps). */
export const DOUBLING_SECONDS_BUCKETS: readonly number[] = Array.from(
  { length: 17 },
  (_, i) => 2 ** i / 1000,
);
/** Rows of a batch: doubling from 1 to 1024. */
export const ROWS_BUCKETS: readonly number[] = Array.from({ length: 11 }, (_, i) => 2 ** i);
