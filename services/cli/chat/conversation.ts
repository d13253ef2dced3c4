import { type ChatMessage, FinishReason, type Sampling } from '#proto/zmesh/v1/common.js';
import type { Receipt, Strategy } from '#proto/zmesh/v1/dispatcher.js';
import type { ZmeshClient } from '#shared/client/client.js';

/** What a conversation is held with. */
export interface ConversationOptions {
  readonly client: Pick<ZmeshClient, 'generate'>;
  readonly model: string;
  readonly sampling: Sampling;
  /** System message; undefined = none. */
  readonly system: string | undefined;
  readonly strategy: Strategy | undefined;
}

/** How a turn ended. */
export interface Turn {
  readonly text: string;
  readonly finishReason: FinishReason;
  /** undefined where the answer was stopped. */
  readonly receipt: Receipt | undefined;
}

/**
 * A conversation: the messages so far, and how the next answer is asked for. A turn that fails leaves the history as it
 * was; one that is stopped keeps what was said until then.
 */
export class Conversation {
  strategy: Strategy | undefined;
  readonly #options: ConversationOptions;
  #messages: ChatMessage[] = [];
  #receipt: Receipt | undefined;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.strategy = options.strategy;
    this.reset();
  }

  /** The messages so far, oldest first. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Receipt of the last complete answer. */
  get receipt(): Receipt | undefined {
    return this.#receipt;
  }

  /** Forgets all but the system message. */
  reset(): void {
    const { system } = this.#options;
    this.#messages = system === undefined ? [] : [{ role: 'system', content: system }];
    this.#receipt = undefined;
  }

  /** Says something and streams the answer to `onText`. `signal` stops the answer, not the conversation. */
  async say(content: string, signal: AbortSignal, onText: (text: string) => void): Promise<Turn> {
    const messages = [...this.#messages, { role: 'user', content }];
    const { client, model, sampling } = this.#options;
    const answer = client.generate(
      { model, prompt: messages, strategy: this.strategy, sampling },
      { signal },
    );
    let text = '';
    let finishReason: FinishReason = FinishReason.UNSPECIFIED;
    try {
      for await (const event of answer) {
        if (event.type === 'delta') {
          text += event.text;
          onText(event.text);
        } else if (event.type === 'end') finishReason = event.finishReason;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    const { receipt } = answer;
    if (text !== '' || receipt !== undefined)
      this.#messages = [...messages, { role: 'assistant', content: text }];
    this.#receipt = receipt ?? this.#receipt;
    return { text, finishReason, receipt };
  }
}
