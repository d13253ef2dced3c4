#!/usr/bin/env node
import { addressOf } from './addresses.js';
import { EXIT } from './exit-codes.js';
import { processIo } from './io.js';
import { findCommand, runCommandLine } from './run.js';

const args = process.argv.slice(2);
const stop = new AbortController();
const command = findCommand(args)?.command;

// The first Ctrl-C cancels what runs, the second ends the process.
if (!command?.ownsInterrupt)
  process.on('SIGINT', () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort(new Error('interrupted'));
  });
// A reader that has seen enough (`zmesh experts list | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failure),
);

const telemetry = command?.traced ? await startTraces() : undefined;
process.exitCode = await runCommandLine(args, processIo(stop.signal));
await telemetry?.shutdown();

/** Traces begin here and go where the local mesh keeps its own. */
async function startTraces() {
  const { startTelemetry } = await import('#shared/telemetry/start.js');
  const env = { ZMESH_LOG_LEVEL: 'error', ...process.env };
  return startTelemetry('zmesh-cli', { env, ...traceSink() });
}

function traceSink(): { readonly traceSink?: string } {
  try {
    return { traceSink: addressOf('traces', undefined, process.env) };
  } catch {
    return {};
  }
}
