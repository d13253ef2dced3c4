import type { GenerateResponse, GenerationStarted, Receipt } from '#proto/zmesh/v1/dispatcher.js';
import type { AnswerEnd, TokenDelta } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';

/** What a stream of answers tells: started once, deltas and ends, the receipt last. */
export type AnswerEvent =
  | ({ readonly type: 'started' } & GenerationStarted)
  | ({ readonly type: 'delta' } & TokenDelta)
  | ({ readonly type: 'end' } & AnswerEnd)
  | ({ readonly type: 'receipt' } & Receipt);

/**
 * The answers to one question as they are made. Iterate it once; leaving the loop early cancels the work in the mesh.
 * The call is made when the iteration begins.
 */
export class AnswerStream implements AsyncIterable<AnswerEvent> {
  readonly #messages: AsyncIterable<GenerateResponse>;
  #trailer: (key: string) => string | undefined = () => undefined;
  #receipt: Receipt | undefined;
  #begun = false;

  /** `call` begins the stream; it is to hand a reader of the trailing metadata to what it is given. */
  constructor(
    call: (
      onTrailers: (trailer: (key: string) => string | undefined) => void,
    ) => AsyncIterable<GenerateResponse>,
  ) {
    this.#messages = call((trailer) => {
      this.#trailer = trailer;
    });
  }

  /** How the question was routed and where the time went; undefined until the stream is over. */
  get receipt(): Receipt | undefined {
    return this.#receipt;
  }

  /** The trailing metadata by key, once the stream is over: `zmesh-request-id`, `zmesh-trace-id`, `zmesh-receipt` (JSON). */
  trailer(key: string): string | undefined {
    return this.#trailer(key);
  }

  /** The events. Throws ZmeshError, also where the stream ends without a receipt: an answer that was cut off. */
  async *[Symbol.asyncIterator](): AsyncGenerator<AnswerEvent> {
    if (this.#begun) throw new TypeError('an AnswerStream can be read once');
    this.#begun = true;
    for await (const { event } of this.#messages) {
      if (event?.$case === 'receipt') this.#receipt = event.value;
      // A newer mesh may tell more than this version knows.
      if (event) yield { type: event.$case, ...event.value } as AnswerEvent;
    }
    if (!this.#receipt) throw new ZmeshError('INTERNAL', 'the stream ended without its receipt');
  }

  /** Reads to the end; the whole text of answer `answer` (default the first). */
  async text(answer = 0): Promise<string> {
    let text = '';
    for await (const event of this) if (event.type === 'delta' && event.answer === answer) text += event.text;
    return text;
  }
}
