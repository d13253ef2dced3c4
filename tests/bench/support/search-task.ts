import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_EXPERTS, EMBEDDED_FOLDER } from '#deploy/local/embedded-model.js';
import type { Mixture } from '#proto/zmesh/v1/common.js';
import { loadSigma } from '#services/inference/model/load.js';
import type { PreparedModel } from '#services/inference/model/prepared.js';
import { loadTokenizer } from '#services/inference/model/tokenizer.js';
import type { SearchSpace } from '#services/trainer/search/space.js';
import { readExpertFile } from '#shared/experts/expert-file.js';
import { chosenNormalisation } from '#shared/experts/publish.js';
import { composeSpectrum } from '#shared/svf/compose.js';
import type { Expert } from '#shared/svf/model.js';
import { loadTask } from '#shared/tasks/load-task.js';
import { messagesOf } from '#shared/tasks/messages.js';
import { openScorer, type Scorer } from '#shared/tasks/scorer.js';
import type { TaskItem } from '#shared/tasks/task.js';

/** A question as the engine takes it. */
export interface EncodedQuestion {
  readonly item: TaskItem;
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  /** Its reference with the end of the turn. */
  readonly reference: Int32Array;
}

/** A task, the embedded experts and what turns mixtures into spectra and answers into verdicts: without a mesh. */
export interface SearchTask {
  readonly space: SearchSpace;
  readonly endIds: readonly number[];
  /** The first ones of the train split. */
  readonly shots: readonly EncodedQuestion[];
  /** The first ones of the test split. */
  readonly test: readonly EncodedQuestion[];
  spectrumOf(mixture: Mixture): Float32Array;
  isRight(question: EncodedQuestion, ids: readonly number[], whole: boolean): Promise<boolean>;
  close(): void;
}

/** Loads a demo task for the embedded model, which is prepared in `folder`. */
export async function loadSearchTask(
  folder: string,
  model: PreparedModel,
  asked: { readonly task: string; readonly shots: number; readonly test: number },
): Promise<SearchTask> {
  const tokenizer = (await loadTokenizer(folder))!;
  const sigma = await loadSigma(folder, model);
  const matrices = model.adapted.map(({ name }) => ({ name, sigma: sigma.get(name)! }));
  const experts = await embeddedExperts();
  const { splits } = await loadTask(join(EMBEDDED_FOLDER, 'tasks', asked.task));
  const encode = (item: TaskItem): EncodedQuestion => ({
    item,
    prompt: Int32Array.from(tokenizer.encodeChat(messagesOf(item), { generationPrompt: true }).ids),
    maxTokens: item.maxTokens ?? 256,
    reference: Int32Array.from([
      ...tokenizer.encodeText(item.answers[0]!, { special: false }),
      model.eosTokenIds[0]!,
    ]),
  });
  const shots = splits.train.slice(0, asked.shots).map(encode);
  const test = splits.test.slice(0, asked.test).map(encode);
  const scorer: Scorer = await openScorer([...shots, ...test].map(({ item }) => item));
  const [first] = experts.values();
  return {
    space: {
      arms: [...experts.keys(), 'base'],
      matrices: [],
      sumToOne: false,
      normalisation: first!.normalisation,
    },
    endIds: model.eosTokenIds,
    shots,
    test,
    spectrumOf: ({ arms }) =>
      composeSpectrum(
        matrices,
        arms.map(({ expert, alpha, alphaPerMatrix }) => ({
          name: expert,
          expert: experts.get(expert) ?? null,
          alpha,
          alphaPerMatrix: new Map(Object.entries(alphaPerMatrix)),
        })),
      ),
    async isRight({ item }, ids, whole) {
      if (!whole) return false;
      const decoder = tokenizer.decoder();
      const answer = ids.map((id) => decoder.push(id)).join('') + decoder.end();
      const [verdict] = await scorer.score([{ item, answer }]);
      return verdict!.correct;
    },
    close: () => scorer.close(),
  };
}

/** The embedded task experts by name. */
async function embeddedExperts(): Promise<ReadonlyMap<string, Expert>> {
  const found = new Map<string, Expert>();
  for (const { name, kind } of EMBEDDED_EXPERTS) {
    if (kind !== 'task') continue;
    const bytes = await readFile(join(EMBEDDED_FOLDER, 'experts', `${name}.safetensors`));
    const { multipliers, normalisation } = readExpertFile(bytes);
    found.set(name, { multipliers, normalisation: chosenNormalisation(undefined, normalisation) });
  }
  return found;
}
