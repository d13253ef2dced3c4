import { ZmeshError } from '#shared/errors.js';
import type {
  AnswerEndMessage,
  EndMessage,
  EngineLoad,
  FailureMessage,
  StepFacts,
  StepMessage,
  TokenMessage,
} from './protocol.js';

/** Collects what happened until it is sent as one message. */
export class Outbox {
  #tokens: TokenMessage[] = [];
  #answers: AnswerEndMessage[] = [];
  #ended: EndMessage[] = [];
  #steps: StepFacts[] = [];

  token(message: TokenMessage): void {
    this.#tokens.push(message);
  }

  answerEnd(message: AnswerEndMessage): void {
    this.#answers.push(message);
  }

  end(message: EndMessage): void {
    this.#ended.push(message);
  }

  /** Told with whatever happens next. */
  step(facts: StepFacts): void {
    this.#steps.push(facts);
  }

  /** The message so far, or null if nothing happened; empties the box. */
  take(load: () => EngineLoad): StepMessage | null {
    if (this.#tokens.length + this.#answers.length + this.#ended.length === 0) return null;
    const message: StepMessage = {
      type: 'step',
      tokens: this.#tokens,
      answers: this.#answers,
      ended: this.#ended,
      steps: this.#steps,
      load: load(),
    };
    this.#tokens = [];
    this.#answers = [];
    this.#ended = [];
    this.#steps = [];
    return message;
  }
}

/** Anything thrown, as a message that crosses threads; `failureError` makes it an error again. */
export function failureMessage(thrown: unknown): FailureMessage {
  const error = ZmeshError.from(thrown);
  const { cause, ...details } = error.details;
  return {
    reason: error.reason,
    message: error.message,
    details,
    ...(cause === undefined ? {} : { cause: cause instanceof Error ? String(cause.stack) : String(cause) }),
  };
}

/** The error that `failureMessage` was made from. */
export function failureError(failure: FailureMessage): ZmeshError {
  return new ZmeshError(failure.reason, failure.message, {
    ...failure.details,
    ...(failure.cause === undefined ? {} : { cause: failure.cause }),
  });
}
