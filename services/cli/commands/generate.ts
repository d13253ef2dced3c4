import { FinishReason } from '#proto/zmesh/v1/common.js';
import { GenerateResponse } from '#proto/zmesh/v1/dispatcher.js';
import type { AnswerEvent } from '#shared/client/client.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import {
  PROMPT_OPTIONS,
  priorityOf,
  promptOf,
  SAMPLING_OPTIONS,
  STRATEGY_OPTIONS,
  samplingOf,
  strategyOf,
} from '../question-options.js';
import { writeJsonLine } from '../render/json.js';
import { renderReceipt } from '../render/receipt.js';
import { numberOption } from '../values.js';

/** `zmesh generate`: asks the mesh and streams the answer. */
export const generate = defineCommand({
  path: 'generate',
  summary: 'ask the mesh; the answer streams to stdout',
  usage: '[question]',
  positionals: { min: 0, max: 1 },
  traced: true,
  options: {
    ...STRATEGY_OPTIONS,
    ...PROMPT_OPTIONS,
    ...SAMPLING_OPTIONS,
    n: { type: 'string', short: 'n', value: 'N', help: 'number of answers (default 1)' },
    batch: { type: 'boolean', help: 'wait behind interactive requests' },
    timeout: { type: 'string', value: 'SECONDS', help: 'give up after this long (default never)' },
    receipt: { type: 'boolean', short: 'r', help: 'also print the routing receipt, on stderr' },
    ...DISPATCHER_OPTION,
  },
  examples: [
    'generate "Mia has 517 cards and buys 225 more. How many cards now?"',
    'generate --strategy classifier --receipt "Is Tom taller than Eva?"',
    'generate --mix math=0.7,code=0.3 --temperature 0.8 --seed 1 -n 3 "17 + 25"',
    'generate --expert math@stable --json < question.txt',
  ],
  notes: ['With --json each message of the stream is one line of JSON, the receipt last.'],
  async run({ values, positionals, io }) {
    const n = numberOption('n', values.n, { min: 1, max: 64, integer: true }) ?? 1;
    const timeout = numberOption('timeout', values.timeout, { min: 0.001, max: 86_400 });
    const request = {
      requestId: '',
      model: values.model ?? '',
      prompt: await promptOf(positionals[0], values, io),
      strategy: strategyOf(values),
      sampling: samplingOf(values),
      n,
      priority: priorityOf(values.batch),
    };
    return withDispatcher(values.dispatcher, io, async (client) => {
      const answers = client.generate(request, {
        signal: io.signal,
        ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
      });
      await (values.json ? streamJson(answers, io) : streamText(answers, n, io));
      const { receipt } = answers;
      if (values.receipt && receipt && !values.json) io.err.write(`\n${renderReceipt(receipt)}`);
      return EXIT.ok;
    });
  },
});

async function streamJson(answers: AsyncIterable<AnswerEvent>, io: Io): Promise<void> {
  for await (const { type, ...value } of answers) {
    const event = { $case: type, value } as GenerateResponse['event'];
    writeJsonLine(io.out, GenerateResponse.toJSON({ event }));
  }
}

/** One answer streams; of several each is written when it is complete, under its number. */
async function streamText(answers: AsyncIterable<AnswerEvent>, n: number, io: Io): Promise<void> {
  const texts = new Map<number, string>();
  const ids = new Map<number, number[]>();
  for await (const event of answers) {
    if (event.type === 'delta') {
      const { answer, text, tokenIds } = event;
      if (n === 1) io.out.write(text);
      texts.set(answer, (texts.get(answer) ?? '') + text);
      ids.set(answer, [...(ids.get(answer) ?? []), ...tokenIds]);
    } else if (event.type === 'end') {
      const { answer, finishReason } = event;
      const text = texts.get(answer) ?? '';
      // A model without a tokenizer answers in token ids.
      const shown = text === '' ? (ids.get(answer) ?? []).join(',') : n === 1 ? '' : text;
      io.out.write(n === 1 ? `${shown}\n` : `[${answer + 1}] ${shown}\n`);
      if (finishReason === FinishReason.LENGTH) io.err.write('(cut at --max-tokens)\n');
      if (finishReason === FinishReason.CONTEXT) io.err.write('(the context is full)\n');
    }
  }
}
