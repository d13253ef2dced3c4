/** A stream as its reader saw it. Times on performance.now's clock. */
export interface StreamTimes {
  readonly startedMs: number;
  readonly firstTokenMs: number;
  readonly endedMs: number;
  /** When each message with tokens came. */
  readonly deltasMs: readonly number[];
  readonly tokens: number;
}

/** A message of either service's generation. */
interface Message {
  readonly event?: { readonly $case: string; readonly value: unknown } | undefined;
}

/** Reads a generation to its end. Throws what the stream throws, and where it brought no token. */
export async function readStream(stream: AsyncIterable<Message>): Promise<StreamTimes> {
  const startedMs = performance.now();
  const deltasMs: number[] = [];
  let tokens = 0;
  for await (const { event } of stream) {
    if (event?.$case !== 'delta') continue;
    deltasMs.push(performance.now());
    tokens += (event.value as { readonly tokenIds: readonly number[] }).tokenIds.length;
  }
  const [firstTokenMs] = deltasMs;
  if (firstTokenMs === undefined) throw new Error('an answer without a token');
  return { startedMs, firstTokenMs, endedMs: performance.now(), deltasMs, tokens };
}
