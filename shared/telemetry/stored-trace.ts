// What the local trace store tells over HTTP: JSON of these shapes.

/** An attribute's value; a list where the span has one. 64-bit integers beyond 2^53 arrive as strings. */
export type AttributeValue = string | number | boolean | readonly AttributeValue[];

/** Something that happened at one moment of a span. */
export interface StoredEvent {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** One finished span. */
export interface StoredSpan {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** 16 hex digits; absent for a root. */
  readonly parentSpanId?: string;
  /** True if the parent lives in another process. */
  readonly remoteParent: boolean;
  /** True if head sampling chose the trace. */
  readonly sampled: boolean;
  /** The process's `service.name`; `unknown` where it has none. */
  readonly service: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly failed: boolean;
  /** What went wrong; empty where there is no text. */
  readonly message: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly StoredEvent[];
}

/** Why the store keeps a trace; `pending` = it has not decided yet. */
export type Keep = 'pending' | 'sampled' | 'slow' | 'failed';

/** One line of the list (`GET /traces`), newest first. */
export interface TraceSummary {
  readonly traceId: string;
  /** Name and service of the topmost span that arrived. */
  readonly name: string;
  readonly service: string;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  /** From the first start to the last end, milliseconds. */
  readonly durationMs: number;
  readonly spans: number;
  readonly services: number;
  readonly failed: boolean;
  /** True if it holds a question to the dispatcher: Generate, Complete or Classify. */
  readonly question: boolean;
  /** True if it holds a search for an adaptation: `DispatcherService/Adapt`. */
  readonly adaptation: boolean;
  /** False while spans are missing: the trace is not over, or a process did not send its part. */
  readonly complete: boolean;
  readonly keep: Keep;
}

/** One trace (`GET /traces/<id>`). */
export interface StoredTrace {
  readonly summary: TraceSummary;
  /** In the order of their starts. */
  readonly spans: readonly StoredSpan[];
}

/** Times of one kind of span (one line of `GET /stats`), milliseconds. */
export interface PhaseStatistics {
  /** The span's name. */
  readonly phase: string;
  /** The strategy of a pass, `generate` or `score` of an engine phase, else empty. */
  readonly group: string;
  /** Spans since the store began; the percentiles are of the latest of them. */
  readonly count: number;
  /** How many of them failed. */
  readonly failed: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}
