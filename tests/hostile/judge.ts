import { CODES, REASONS, type Reason } from '#shared/errors.js';
import { MESSAGE_BYTES_MAX } from '#shared/rpc/limits.js';
import type { RawAnswer } from '../support/raw-grpc.js';
import { adaptationFault } from './judge-adaptation.js';
import type { HostileRequest } from './requests.js';

/** Longest message of an error: what is refused is told, not sent back. */
const MESSAGE_MAX = 2000;
const OK = 0;

/** What an answer was. */
export interface Verdict {
  /** `OK`, a reason of the catalogue, or `gRPC CODE` for a status that gRPC itself made. */
  readonly outcome: string;
  /** What is wrong with it; undefined = as it must be. */
  readonly fault?: string;
}

const CODE_NAMES = new Map<number, string>(Object.entries(CODES).map(([name, code]) => [code, name]));

/** Judges how a request was answered. `baseHash` is the mixture hash of the unadapted model. */
export function judge(request: HostileRequest, answer: RawAnswer, baseHash: string): Verdict {
  if (answer.silent)
    return { outcome: 'silence', fault: `nothing came for ${seconds(answer.times.silenceMs)}` };
  if (answer.code === OK) return { outcome: 'OK', ...okFault(request, answer, baseHash) };
  if (!answer.info) return judgeBare(request, answer);
  const { reason, domain } = answer.info;
  const code = CODES[REASONS[reason as Reason]];
  if (domain !== 'zmesh' || code === undefined)
    return { outcome: reason, fault: `no reason of ours: ${domain}/${reason}` };
  if (reason === 'INTERNAL') return { outcome: reason, fault: answer.message };
  if (code !== answer.code)
    return { outcome: reason, fault: `code ${answer.code}, the catalogue says ${code}` };
  if (answer.message === '' || answer.message.length > MESSAGE_MAX || /[\n\r]/.test(answer.message))
    return {
      outcome: reason,
      fault: `not one line of at most ${MESSAGE_MAX} characters: ${answer.message.slice(0, 200)}`,
    };
  // A stream may be refused for its first message before the one that is none.
  const whole = request.method.kind !== 'clientStream';
  if (whole && !request.decodes && answer.code !== CODES.INVALID_ARGUMENT && !isImpatient(request))
    return { outcome: reason, fault: 'bytes that are no message came past decoding' };
  return { outcome: reason };
}

function okFault(request: HostileRequest, answer: RawAnswer, baseHash: string): { fault?: string } {
  if (!request.decodes) return { fault: 'bytes that are no message were answered' };
  const fault = adaptationFault(request, answer.messages, baseHash);
  return fault === undefined ? {} : { fault };
}

/** Statuses without our details: only what the caller did to the call itself may end so. */
function judgeBare(request: HostileRequest, answer: RawAnswer): Verdict {
  const name = CODE_NAMES.get(answer.code) ?? String(answer.code);
  const outcome = `gRPC ${name}`;
  const bytes = Math.max(0, ...request.messages.map((message) => message.length));
  const own =
    (name === 'DEADLINE_EXCEEDED' && request.deadlineMs !== undefined) ||
    (name === 'CANCELLED' && (request.cancelAfter !== undefined || request.deadlineMs !== undefined)) ||
    (name === 'RESOURCE_EXHAUSTED' && bytes > MESSAGE_BYTES_MAX);
  if (own) return { outcome };
  const hang = name === 'DEADLINE_EXCEEDED' ? 'no answer in time: ' : '';
  return { outcome, fault: `${hang}${name} without a reason: ${answer.message.slice(0, 300)}` };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const isImpatient = ({ deadlineMs, cancelAfter }: HostileRequest): boolean =>
  deadlineMs !== undefined || cancelAfter !== undefined;
