import { chatLoop } from '../chat/chat-loop.js';
import { Conversation } from '../chat/conversation.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { SAMPLING_OPTIONS, STRATEGY_OPTIONS, samplingOf, strategyOf } from '../question-options.js';

/** `zmesh chat`: a conversation in the terminal. */
export const chat = defineCommand({
  path: 'chat',
  summary: 'talk with the mesh; answers stream, the history is kept',
  traced: true,
  ownsInterrupt: true,
  options: {
    ...STRATEGY_OPTIONS,
    system: { type: 'string', value: 'TEXT', help: 'system message of the conversation' },
    ...SAMPLING_OPTIONS,
    ...DISPATCHER_OPTION,
  },
  examples: [
    'chat',
    'chat --model smollm2-135m --strategy none',
    'chat --system "Answer in one sentence." --temperature 0.7 --max-tokens 200',
  ],
  notes: [
    'In the conversation: /strategy, /receipt, /reset, /help, /quit. Ctrl-C stops an answer, Ctrl-D leaves.',
    'With --json each answer is one line of JSON with its receipt.',
  ],
  async run({ values, io }) {
    const options = {
      model: values.model ?? '',
      sampling: samplingOf(values),
      system: values.system,
      strategy: strategyOf(values),
    };
    return withDispatcher(values.dispatcher, io, async (client) => {
      await chatLoop(new Conversation({ ...options, client }), io, values.json);
      return EXIT.ok;
    });
  },
});
