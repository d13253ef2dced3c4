import { type Reason, ZmeshError } from '#shared/errors.js';
import { UsageError } from './command.js';
import { EXIT } from './exit-codes.js';

/** What to do about an error, where there is something. */
const ADVICE: Partial<Record<Reason, string>> = {
  UNKNOWN_MODEL: '"zmesh model list" shows the models',
  MODEL_REQUIRED: 'name one with --model; "zmesh model list" shows them',
  UNKNOWN_EXPERT: '"zmesh experts list" shows what is published',
  UNKNOWN_VERSION: '"zmesh experts show <name>" shows the versions',
  UNKNOWN_ALIAS: '"zmesh experts list" shows the aliases; set one with "zmesh experts alias"',
  EXPERT_RETIRED: 'choose another version; "zmesh experts list --retired" shows which are retired',
  BASIS_MISMATCH:
    'the expert was trained on another model or decomposition; train or publish one for this model',
  NO_TOKENIZER: 'give token ids with --tokens',
  NO_CHAT_TEMPLATE: 'give raw text with --raw, or token ids with --tokens',
  QUEUE_FULL: 'the mesh is busy; try again in a moment',
  DRAINING: 'the mesh is stopping; start it again with "zmesh up"',
  INFERENCE_UNAVAILABLE: '"zmesh status" shows what runs; the logs lie in .zmesh/logs',
  DISPATCHER_UNAVAILABLE: '"zmesh status" shows what runs; start a mesh with "zmesh up"',
  REGISTRY_UNAVAILABLE: '"zmesh status" shows what runs; the logs lie in .zmesh/logs',
  ALIAS_CONFLICT: 'someone moved the alias; look with "zmesh experts list" and decide again',
  EXPERT_IN_USE:
    'move or delete its aliases ("zmesh experts alias"), and retire the adaptations that mix it ("zmesh experts retire")',
  NO_ROUTED_EXPERTS: 'publish experts with the alias stable, or use --strategy none',
  CORRUPT: 'run "zmesh experts verify", then "zmesh experts restore" from an export',
  REWARD_UNAVAILABLE: 'start the reward service, or name its address with --reward',
  INTERNAL: '"zmesh trace --last" shows where; the logs lie in .zmesh/logs',
};

/** An error as lines for stderr: what, then what to do. */
export function errorLines(error: unknown): readonly string[] {
  if (error instanceof ZmeshError) {
    const advice = ADVICE[error.reason];
    return [`error: ${error.message} (${error.reason})`, ...(advice ? [`  ${advice}`] : [])];
  }
  return [`error: ${error instanceof Error ? error.message : String(error)}`];
}

/** The exit code that goes with an error. */
export function exitCodeOf(error: unknown, interrupted: boolean): number {
  if (error instanceof UsageError) return EXIT.usage;
  return interrupted ? EXIT.interrupted : EXIT.failure;
}
