/** A span as the local trace store tells it, as far as these tests look at it. */
export interface ClientSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

const LIMIT_MS = 15_000;

/**
 * The span of a method that a service answered in a trace, once the store has it: services send their spans some time after
 * the call. Rejects with the spans that did arrive.
 */
export async function servedSpan(traces: string, traceId: string, method: string): Promise<ClientSpan> {
  let spans: readonly ClientSpan[] = [];
  for (
    const giveUp = Date.now() + LIMIT_MS;
    Date.now() < giveUp;
    await new Promise((go) => setTimeout(go, 200))
  ) {
    const response = await fetch(`${traces}/traces/${traceId}`);
    if (!response.ok) continue;
    spans = ((await response.json()) as { spans: ClientSpan[] }).spans;
    const found = spans.find(({ name, kind }) => name === method && kind === 'server');
    if (found) return found;
  }
  const seen = spans.map(({ service, name, kind }) => `${service}: ${name} (${kind})`).join(', ');
  throw new Error(`no ${method} in trace ${traceId} after ${LIMIT_MS} ms; it holds ${seen || 'nothing'}`);
}
