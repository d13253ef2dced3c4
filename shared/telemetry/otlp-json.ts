import { ZmeshError } from '#shared/errors.js';
import type { AttributeValue, StoredEvent, StoredSpan } from './stored-trace.js';

const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUS_ERROR = 2;
const FLAG_SAMPLED = 0x1;
const FLAG_REMOTE_PARENT = 0x200;

type Json = Readonly<Record<string, unknown>>;

/**
 * The spans of an OTLP/HTTP JSON body (ExportTraceServiceRequest): hex ids, times as decimal strings of nanoseconds.
 * Throws INVALID_FIELD naming the first field that is not as the protocol says.
 */
export function spansFromOtlp(body: unknown): StoredSpan[] {
  const spans: StoredSpan[] = [];
  for (const resourceSpans of list(object(body, 'body'), 'resourceSpans')) {
    const resource = resourceSpans.resource === undefined ? {} : object(resourceSpans.resource, 'resource');
    const service = attributesOf(resource)['service.name'];
    for (const scopeSpans of list(resourceSpans, 'scopeSpans')) {
      for (const span of list(scopeSpans, 'spans')) {
        spans.push(spanFromOtlp(span, typeof service === 'string' && service !== '' ? service : 'unknown'));
      }
    }
  }
  return spans;
}

function spanFromOtlp(span: Json, service: string): StoredSpan {
  const startNs = nanoseconds(span, 'startTimeUnixNano');
  const endNs = nanoseconds(span, 'endTimeUnixNano');
  const parent = span.parentSpanId;
  const flags = typeof span.flags === 'number' ? span.flags : 0;
  const status = span.status === undefined ? {} : object(span.status, 'status');
  const attributes = attributesOf(span);
  return {
    traceId: id(span, 'traceId', 32),
    spanId: id(span, 'spanId', 16),
    ...(parent === undefined || parent === '' ? {} : { parentSpanId: id(span, 'parentSpanId', 16) }),
    remoteParent: (flags & FLAG_REMOTE_PARENT) !== 0,
    sampled: (flags & FLAG_SAMPLED) !== 0,
    service,
    name: text(span, 'name'),
    kind: KINDS[typeof span.kind === 'number' ? span.kind : 0] ?? 'internal',
    startMs: milliseconds(startNs),
    durationMs: endNs > startNs ? milliseconds(endNs - startNs) : 0,
    failed: status.code === STATUS_ERROR,
    message: typeof status.message === 'string' ? status.message : '',
    attributes,
    events: list(span, 'events').map(eventFromOtlp),
  };
}

function eventFromOtlp(event: Json): StoredEvent {
  return {
    name: text(event, 'name'),
    atMs: milliseconds(nanoseconds(event, 'timeUnixNano')),
    attributes: attributesOf(event),
  };
}

function attributesOf(holder: Json): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  for (const entry of list(holder, 'attributes')) {
    const value = attributeValue(object(entry.value ?? {}, 'attributes.value'));
    if (value !== undefined) attributes[text(entry, 'key')] = value;
  }
  return attributes;
}

function attributeValue(value: Json): AttributeValue | undefined {
  if (typeof value.stringValue === 'string') return value.stringValue;
  if (typeof value.boolValue === 'boolean') return value.boolValue;
  if (typeof value.doubleValue === 'number') return value.doubleValue;
  if (typeof value.intValue === 'number') return value.intValue;
  if (typeof value.intValue === 'string') {
    return Number.isSafeInteger(Number(value.intValue)) ? Number(value.intValue) : value.intValue;
  }
  if (value.arrayValue === undefined) return undefined;
  return list(object(value.arrayValue, 'arrayValue'), 'values')
    .map(attributeValue)
    .filter((item) => item !== undefined);
}

function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000n) + Number(ns % 1_000_000n) / 1e6;
}

function nanoseconds(holder: Json, field: string): bigint {
  const value = holder[field];
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return BigInt(value);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return BigInt(value);
  throw bad(field, 'a decimal number of nanoseconds');
}

function id(holder: Json, field: string, digits: number): string {
  const value = holder[field];
  if (typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/i.test(value)) {
    return value.toLowerCase();
  }
  throw bad(field, `${digits} hex digits`);
}

function text(holder: Json, field: string): string {
  const value = holder[field];
  if (typeof value === 'string') return value;
  throw bad(field, 'a string');
}

function list(holder: Json, field: string): Json[] {
  const value = holder[field];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad(field, 'a list');
  return value.map((item: unknown) => object(item, field));
}

function object(value: unknown, field: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw bad(field, 'an object');
}

function bad(field: string, wanted: string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `OTLP JSON: ${field} must be ${wanted}`, { field });
}
