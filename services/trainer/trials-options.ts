import type { Prompt } from '#proto/zmesh/v1/common.js';
import { messagesOf } from '#shared/tasks/messages.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { Drafts } from './drafts.js';
import type { TrainableModel, TrainerMesh } from './mesh.js';
import type { Rewards } from './rewards.js';

/** Times that a call past its deadline is made again: a machine that stood still for a while must not end a run. */
export const OVERRUNS = 2;

/** What trials of a model are made with. */
export interface InferenceTrialsOptions {
  readonly mesh: TrainerMesh;
  readonly drafts: Drafts;
  readonly model: TrainableModel;
  readonly rewards: Rewards;
  /** Prompts that are asked at once. */
  readonly rolloutsMax: number;
  /** Answers of one gradient call. */
  readonly gradientSequences: number;
  /** Longest time of one call. */
  readonly callTimeoutMs: number;
  /** Called with the tokens of every finished answer. */
  readonly onTokens?: (tokens: number) => void;
}

/** A question as inference takes it. */
export function promptOf(item: TaskItem): Prompt {
  return { input: { $case: 'chat', value: { messages: messagesOf(item) } } };
}
