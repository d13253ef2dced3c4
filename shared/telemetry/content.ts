import type { Attributes } from '@opentelemetry/api';

/** True if prompts and answers may be written into spans: `ZMESH_TRACE_CONTENT=true`, else false. */
export function traceContent(env: NodeJS.ProcessEnv = process.env): boolean {
  return env.ZMESH_TRACE_CONTENT === 'true';
}

/** An attribute with a prompt or an answer, or none at all unless content may be traced. `read` is called only if it may. */
export function contentAttribute(
  key: string,
  read: () => string,
  env: NodeJS.ProcessEnv = process.env,
): Attributes {
  return traceContent(env) ? { [key]: read() } : {};
}
