import { createInterface } from 'node:readline';
import { FinishReason } from '#proto/zmesh/v1/common.js';
import { Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { UsageError } from '../command.js';
import { errorLines } from '../errors.js';
import type { Io } from '../io.js';
import { writeJsonLine } from '../render/json.js';
import { renderReceipt } from '../render/receipt.js';
import type { Conversation } from './conversation.js';
import { strategyFromWords, strategyWords } from './strategy-words.js';

const PROMPT = '> ';
const HELP = [
  '/strategy [none | prompt | classifier | auto | default | expert NAME | mix math=0.7,code=0.3]',
  '                how the experts of the next answers are found; alone it tells the present one',
  '/receipt        how the last answer came about',
  '/reset          begin a new conversation',
  '/help           this text',
  '/quit           leave (Ctrl-D does too)',
  'Ctrl-C stops an answer.',
].join('\n');

/**
 * Reads lines and answers them until the input ends or `/quit`. Lines that begin with `/` are commands. Ctrl-C stops the
 * answer that is being written; a failed turn is told and the conversation goes on.
 */
export async function chatLoop(conversation: Conversation, io: Io, json: boolean): Promise<void> {
  const lines = createInterface({ input: io.input, output: io.err, terminal: io.input.isTTY === true });
  let answering: AbortController | undefined;
  const interrupt = (): void => {
    if (answering) answering.abort(new Error('stopped'));
    else io.err.write(`\n(/quit or Ctrl-D leaves)\n${PROMPT}`);
  };
  // A terminal in line mode turns Ctrl-C into an event of the reader; elsewhere it is the process's signal.
  lines.on('SIGINT', interrupt);
  const release = io.onInterrupt(interrupt);
  try {
    io.err.write(PROMPT);
    for await (const line of lines) {
      const text = line.trim();
      if (text === '/quit' || text === '/exit') return;
      if (text !== '') {
        answering = new AbortController();
        await turn(conversation, text, { io, json, signal: answering.signal });
        answering = undefined;
      }
      io.err.write(PROMPT);
    }
    io.err.write('\n');
  } finally {
    release();
    lines.close();
  }
}

interface TurnOptions {
  readonly io: Io;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

async function turn(conversation: Conversation, text: string, options: TurnOptions): Promise<void> {
  const { io } = options;
  try {
    if (text.startsWith('/')) obey(conversation, text, options);
    else await answer(conversation, text, options);
  } catch (error) {
    io.err.write(`${errorLines(error).join('\n')}\n`);
  }
}

async function answer(
  conversation: Conversation,
  text: string,
  { io, json, signal }: TurnOptions,
): Promise<void> {
  const said = await conversation.say(text, signal, (piece) => {
    if (!json) io.out.write(piece);
  });
  if (json) {
    const receipt = said.receipt && Receipt.toJSON(said.receipt);
    writeJsonLine(io.out, { content: said.text, stopped: said.receipt === undefined, receipt });
    return;
  }
  io.out.write('\n');
  if (said.receipt === undefined) io.err.write('(stopped)\n');
  if (said.finishReason === FinishReason.LENGTH) io.err.write('(cut at --max-tokens)\n');
  if (said.finishReason === FinishReason.CONTEXT) io.err.write('(the context is full; /reset begins anew)\n');
}

function obey(conversation: Conversation, line: string, { io }: TurnOptions): void {
  const [command, ...words] = line.split(/\s+/);
  switch (command) {
    case '/help':
      io.err.write(`${HELP}\n`);
      return;
    case '/reset':
      conversation.reset();
      io.err.write('(a new conversation)\n');
      return;
    case '/receipt':
      io.out.write(conversation.receipt ? renderReceipt(conversation.receipt) : '(no answer yet)\n');
      return;
    case '/strategy':
      if (words.length > 0) conversation.strategy = strategyFromWords(words);
      io.err.write(`strategy: ${strategyWords(conversation.strategy)}\n`);
      return;
    default:
      throw new UsageError(`${command} is not a command; /help lists them`);
  }
}
