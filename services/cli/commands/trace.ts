import { addressOf } from '../addresses.js';
import type { Command } from '../command.js';
import { TRACE_HELP, traceCommand } from '../trace/command.js';

/** `zmesh trace`: draws what the local trace store keeps. It reads its own arguments. */
export const trace: Command = {
  path: 'trace',
  summary: 'draw a trace, list the kept ones, or percentiles of both passes',
  usage: '[id]',
  options: {},
  examples: [],
  notes: [],
  traced: false,
  ownsInterrupt: false,
  help: TRACE_HELP,
  execute(args, io) {
    const endpoint = addressOf('traces', undefined, io.env);
    const { out, err, columns, colour } = io;
    return traceCommand([...args], { endpoint, out, err, columns, colour });
  },
};
