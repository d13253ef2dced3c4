/** What the clients print, one JSON object a line, by step. */
export interface Steps {
  readonly classify: { readonly label: string; readonly confidence: number; readonly expert: string };
  readonly generate: { readonly text: string; readonly deltas: number; readonly finish_reason: string };
  readonly receipt: {
    readonly strategy_used: string;
    readonly label: string;
    readonly experts: readonly string[];
    readonly completion_tokens: number;
    readonly request_id: string;
    readonly trace_id: string;
    readonly trailer_request_id: string;
    readonly trailer_trace_id: string;
    readonly trailer_receipt: Readonly<Record<string, unknown>>;
  };
  readonly publish: { readonly version: string; readonly vectors_sha256: string };
  readonly alias: { readonly alias: string; readonly version: string; readonly previous_version: string };
  readonly use: { readonly experts: readonly string[]; readonly text: string };
  readonly cancel: { readonly code: string; readonly deltas: number; readonly trace_id: string };
  readonly deadline: { readonly code: string; readonly waited_ms: number; readonly trace_id: string };
  readonly error: {
    readonly code: string;
    readonly reason: string;
    readonly message: string;
    readonly limit: string;
    readonly value: string;
  };
}

const ORDER: readonly (keyof Steps)[] = [
  'classify',
  'generate',
  'receipt',
  'publish',
  'alias',
  'use',
  'cancel',
  'deadline',
  'error',
];

/** Reads what a client printed. Throws unless every step is there, once and in order. */
export function readSteps(printed: string): Steps {
  const lines = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: string });
  const steps = lines.map(({ step }) => step);
  if (steps.join() !== ORDER.join()) throw new Error(`the steps were ${steps.join()}, not ${ORDER.join()}`);
  return Object.fromEntries(lines.map((line) => [line.step, line])) as unknown as Steps;
}
