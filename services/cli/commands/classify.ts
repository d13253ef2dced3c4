import { ClassifyResponse } from '#proto/zmesh/v1/dispatcher.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { PROMPT_OPTIONS, priorityOf, promptOf, STRATEGY_OPTIONS, strategyOf } from '../question-options.js';
import { writeJson } from '../render/json.js';
import { renderLabels, renderReceipt } from '../render/receipt.js';

const { model, strategy, 'first-pass': firstPass, blend, abstain } = STRATEGY_OPTIONS;
const { system, messages, raw } = PROMPT_OPTIONS;

/** `zmesh classify`: pass 1 alone. */
export const classify = defineCommand({
  path: 'classify',
  summary: 'pass 1 alone: labels, probabilities and the mixture that would answer',
  usage: '[question]',
  positionals: { min: 0, max: 1 },
  traced: true,
  options: {
    model,
    strategy,
    'first-pass': firstPass,
    blend,
    abstain,
    system,
    messages,
    raw,
    ...DISPATCHER_OPTION,
  },
  examples: [
    'classify "Is Tom taller than Eva?"',
    'classify --strategy prompt --blend probability --json "17 + 25"',
  ],
  async run({ values, positionals, io }) {
    const request = {
      requestId: '',
      model: values.model ?? '',
      prompt: await promptOf(positionals[0], { ...values, tokens: undefined }, io),
      strategy: strategyOf({ ...values, expert: undefined, mix: undefined, adaptation: undefined }),
      priority: priorityOf(false),
    };
    return withDispatcher(values.dispatcher, io, async (client) => {
      const answer = await client.classify(request, { signal: io.signal });
      if (values.json) writeJson(io.out, ClassifyResponse.toJSON(answer));
      else {
        if (answer.classification) io.out.write(renderLabels(answer.classification));
        if (answer.receipt) io.out.write(`\n${renderReceipt(answer.receipt)}`);
      }
      return EXIT.ok;
    });
  },
});
