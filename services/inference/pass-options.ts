/** What a pass knows of its caller. */
export interface PassOptions {
  /** Aborts when the caller leaves or its deadline passes. */
  readonly signal: AbortSignal;
  /** The caller's deadline on performance.now's clock; undefined = none. */
  readonly deadline: number | undefined;
  /** How long ago the request came in at the front door, milliseconds: its place in the queue counts from there. */
  readonly ageMs: number;
  /** Most bytes of a prompt or continuation as text. */
  readonly promptBytesMax: number;
}
