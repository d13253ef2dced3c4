import { diag } from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-node';

/** Settings of the way to the local trace sink. */
export interface SinkProcessorOptions {
  /** Base URL of the sink; `/v1/traces` is added. */
  readonly url: string;
  /** Longest wait of a finished span before it is sent, milliseconds. Default 200: `zmesh trace --last` follows at once. */
  readonly delayMs?: number;
  /** Most spans of one message. Default 256 (about 200 KB). */
  readonly batchMax?: number;
  /** Most spans that wait; more are dropped and counted. Default 4096. */
  readonly queueMax?: number;
  /** Time limit of one message, milliseconds. Default 3000. */
  readonly timeoutMs?: number;
}

/** A span processor for the local sink, with what it lost so far. */
export interface SinkProcessor extends SpanProcessor {
  /** Spans that were dropped because the queue was full or the sink did not take them. */
  dropped(): number;
}

/**
 * Sends every recorded span, sampled or not, to the local trace sink as OTLP/HTTP JSON. Never blocks and never throws:
 * what the sink does not take in time is dropped, and said once in the log until it answers again.
 */
export function sinkProcessor(options: SinkProcessorOptions): SinkProcessor {
  const { delayMs = 200, batchMax = 256, queueMax = 4096, timeoutMs = 3000 } = options;
  const endpoint = new URL('/v1/traces', options.url).href;
  let queue: ReadableSpan[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let dropped = 0;
  let away = false;
  let stopped = false;

  const lose = (count: number, why: string): void => {
    dropped += count;
    if (!away) diag.warn(`local trace sink ${endpoint}: ${why}; spans are dropped until it answers`);
    away = true;
  };
  const post = async (batch: ReadableSpan[]): Promise<void> => {
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JsonTraceSerializer.serializeRequest(batch) ?? '{}',
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.arrayBuffer();
      if (response.ok) away = false;
      else lose(batch.length, `answered ${response.status}`);
    } catch (error) {
      lose(batch.length, error instanceof Error ? error.message : String(error));
    }
  };
  const sendAll = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.slice(0, batchMax);
      queue = queue.slice(batchMax);
      await post(batch);
    }
  };
  const flush = (): Promise<void> => {
    // Also while a batch is on its way: a timer that fired meanwhile and stayed here would be the last one.
    clearTimeout(timer);
    timer = undefined;
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
    return sending;
  };

  return {
    onStart() {},
    onEnd(span) {
      if (stopped) return;
      if (queue.length >= queueMax) return lose(1, `more than ${queueMax} spans wait`);
      queue.push(span);
      if (queue.length >= batchMax) void flush();
      else timer ??= setTimeout(flush, delayMs).unref();
    },
    forceFlush: flush,
    async shutdown() {
      stopped = true;
      await flush();
    },
    dropped: () => dropped,
  };
}
