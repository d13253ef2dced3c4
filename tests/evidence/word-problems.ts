import { RandomStream } from '#shared/random.js';
import type { TaskItem } from '#shared/tasks/task.js';

const NAMES = ['Tom', 'Mia', 'Ben', 'Ana', 'Sam', 'Lea', 'Max', 'Zoe', 'Paul', 'Nina'] as const;
const THINGS = ['pens', 'cards', 'books', 'coins', 'apples', 'stamps', 'shells', 'marbles'] as const;

/** Word problems of two two-digit numbers, in three splits that share none. */
export interface WordProblems {
  readonly train: readonly TaskItem[];
  readonly validation: readonly TaskItem[];
  readonly test: readonly TaskItem[];
}

/**
 * Sums and differences below 200 in a sentence, the same ones each time; the last number of the answer counts. A base
 * that small gets some of them right and many wrong, and wrong ones are mostly wrong numbers, not missing ones.
 */
export function wordProblems(counts: {
  readonly train: number;
  readonly validation: number;
  readonly test: number;
}): WordProblems {
  const stream = new RandomStream(20_261_124n, 0);
  const below = (count: number): number => Math.floor(stream.uniform() * count);
  const seen = new Set<string>();
  const draw = (split: string, count: number): TaskItem[] => {
    const items: TaskItem[] = [];
    while (items.length < count) {
      const name = NAMES[below(NAMES.length)]!;
      const thing = THINGS[below(THINGS.length)]!;
      const [a, b] = [10 + below(90), 10 + below(90)];
      const more = stream.uniform() < 0.5 || a <= b;
      const prompt = more
        ? `${name} has ${a} ${thing} and gets ${b} more. How many ${thing} does ${name} have now?`
        : `${name} has ${a} ${thing} and gives away ${b}. How many ${thing} does ${name} have left?`;
      if (seen.has(prompt)) continue;
      seen.add(prompt);
      const value = String(more ? a + b : a - b);
      items.push({
        id: `${split}-${items.length + 1}`,
        prompt,
        system: undefined,
        answers: [value],
        maxTokens: 40,
        verifier: { type: 'final-number', value },
      });
    }
    return items;
  };
  return {
    train: draw('train', counts.train),
    validation: draw('val', counts.validation),
    test: draw('test', counts.test),
  };
}
